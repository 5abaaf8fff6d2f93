//! What is put into a table is what can be read from it, under the names that others rely on.

use domain::{Metric, MetricStats, Quality, RawReading, TimeDelta, TurbineId};
use platform::{DeadLetter, Rejection, Source};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::{Value, json};
use sink::batch::Taken;
use sink::lane::Topic;
use sqlx::{AssertSqlSafe, Row};

use crate::make::{batch, full, noon, push, push_reading, raw, windows};
use crate::rig::Rig;

/// Rows as JSON, by column.
async fn rows(rig: &Rig, table: &str, order: &str) -> Vec<Value> {
    let sql = format!("SELECT to_jsonb(t) AS row FROM {table} t ORDER BY {order}");
    let mut connection = rig.connect().await;
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    rows.iter().map(|row| row.get("row")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_stored_whole() {
    let rig = Rig::new().await;
    let mut store = rig.store();
    let mut batch = batch(0);
    for topic in Topic::ALL {
        store.enter(crate::make::lane(topic), 0).await.unwrap();
    }
    push_reading(&mut batch, 0, full("north", "T1", noon(0)));
    push_reading(
        &mut batch,
        1,
        raw("north", "T2", noon(86_400) + TimeDelta::from_micros(1), 0.1),
    );
    store.commit(&batch.seal()).await.unwrap();

    let rows = rows(&rig, "readings", "kafka_offset").await;
    let first = json!({
        "farm_id": "north", "turbine_id": "T1", "event_time": "2025-11-23T12:00:00+00:00",
        "sequence": i64::MAX, "wind_speed_mps": 7.25, "wind_direction_deg": 359.5, "active_power_kw": -12.5,
        "theoretical_power_kw": 1000, "rotor_speed_rpm": 11.3, "blade_pitch_deg": -2, "nacelle_direction_deg": 0,
        "ambient_temperature_celsius": -7.75, "operating_status": "DERATED",
        "kafka_partition": 2, "kafka_offset": 0, "appended_at": "2025-11-23T13:00:00+00:00",
    });
    assert_eq!(rows[0], first);
    assert_eq!(rows[1]["event_time"], "2025-11-24T12:00:00.000001+00:00");
    assert_eq!(
        (&rows[1]["wind_speed_mps"], &rows[1]["sequence"]),
        (&json!(0.1), &Value::Null)
    );
    assert_eq!(rows[1]["operating_status"], Value::Null);

    let turbines = rig
        .number("SELECT count(*) FROM turbines WHERE first_event_time = last_event_time")
        .await;
    assert_eq!(turbines, 2);
    let farm = "SELECT count(*) FROM farms WHERE last_event_time - first_event_time = '1 day 0.000001 s'";
    assert_eq!(rig.number(farm).await, 1);
}

/// Directions at odd places, a metric that only one turbine has, and one that nobody has.
fn telling_readings() -> Vec<RawReading<'static>> {
    let reading = |turbine, second, wind, direction, power| {
        let mut reading = raw("north", turbine, noon(second), wind);
        reading.metrics.set(Metric::WindDirection, Some(direction));
        reading.metrics.set(Metric::ActivePower, power);
        reading
    };
    let mut readings = vec![
        reading("T1", 1, 5.5, 350.0, Some(-10.0)),
        reading("T1", 2, 7.5, 10.0, Some(1_000.0)),
        reading("T2", 1, 7.5, 359.999_999, None),
        reading("T2", 3, 0.1, 181.0, None),
    ];
    // they cancel out
    readings[0].metrics.set(Metric::NacelleDirection, Some(90.0));
    readings[1].metrics.set(Metric::NacelleDirection, Some(270.0));
    // as near to north from the west as can be
    readings[3]
        .metrics
        .set(Metric::NacelleDirection, Some(359.999_999_999_999_94));
    readings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_stored_whole_and_what_follows_from_it_is_what_the_programs_say() {
    let rig = Rig::new().await;
    let mut store = rig.store();
    let mut batch = batch(0);
    for topic in Topic::ALL {
        store.enter(crate::make::lane(topic), 0).await.unwrap();
    }
    let readings = telling_readings();
    let (mut farm, turbines) = windows(&readings);
    farm.window.duplicate_count = 3;
    farm.window.rejected_count = 4;
    farm.window.quality = Quality::of_counts([5, 6, 7, 8]);
    farm.window.suspicious_clocks = ["T1", "T2"].map(|id| TurbineId::parse(id).unwrap()).into();
    push(&mut batch, Topic::FarmWindows, 0, Taken::FarmWindow(&farm));
    for (offset, turbine) in (0..).zip(&turbines) {
        push(
            &mut batch,
            Topic::TurbineWindows,
            offset,
            Taken::TurbineWindow(turbine),
        );
    }
    store.commit(&batch.seal()).await.unwrap();

    let row = rows(&rig, "farm_windows", "1").await.remove(0);
    let about = json!({
        "farm_id": "north", "window_start": "2025-11-23T12:00:00+00:00", "window_end": "2025-11-23T12:01:00+00:00",
        "revision": 0, "close_reason": "STREAM_TIME", "kafka_partition": 2, "kafka_offset": 0,
        "reading_count": 4, "duplicate_count": 3, "rejected_count": 4, "turbine_count": 2, "energy_kwh": 8.25,
        "unresponsive_count": 5, "out_of_order_count": 6, "gap_count": 7, "off_curve_count": 8,
        "suspicious_clocks": ["T1", "T2"],
        "wind_speed_mps_max": 7.5, "wind_speed_mps_max_turbine_id": "T2",
        "wind_speed_mps_max_time": "2025-11-23T12:00:01+00:00",
        "theoretical_power_kw_count": 0, "theoretical_power_kw_mean": null, "theoretical_power_kw_stddev": null,
    });
    for (column, value) in about.as_object().unwrap() {
        assert_eq!(&row[column], value, "{column}");
    }
    check_metrics(&row, |metric| farm.window.metrics.get(metric));

    let rows = rows(&rig, "turbine_windows", "turbine_id").await;
    assert_eq!(rows.len(), turbines.len());
    for (row, turbine) in rows.iter().zip(&turbines) {
        assert_eq!(
            (&row["turbine_id"], &row["turbine_count"]),
            (&json!(turbine.window.turbine_id.as_str()), &json!(1))
        );
        check_metrics(row, |metric| turbine.window.window.metrics.get(metric));
    }
    assert_eq!(
        rows[0]["nacelle_direction_deg_mean"],
        Value::Null,
        "opposite directions have no mean"
    );
    assert_eq!(
        rows[1]["active_power_kw_max_turbine_id"],
        Value::Null,
        "nobody measured it"
    );
}

fn check_metrics<'a>(row: &Value, stats: impl Fn(Metric) -> Option<&'a MetricStats<domain::TurbineId>>) {
    for metric in Metric::ALL {
        let column = |part: &str| &row[format!("{}_{part}", metric.name())];
        let stats = stats(metric);
        assert_eq!(
            column("count"),
            &json!(stats.map_or(0, MetricStats::count)),
            "{metric:?}"
        );
        let derived = match stats {
            None => [("mean", None), ("stddev", None)].to_vec(),
            Some(MetricStats::Scalar(stats)) => {
                vec![("mean", Some(stats.mean)), ("stddev", Some(stats.stddev()))]
            }
            Some(MetricStats::Direction(stats)) => vec![
                ("mean", stats.mean_deg()),
                ("stddev", stats.stddev_deg()),
                ("resultant", Some(stats.resultant())),
            ],
        };
        for (part, expected) in derived {
            let found = column(part).as_f64();
            let close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(
                close,
                "{metric:?} {part}: {found:?} in the database, {expected:?} by the programs"
            );
        }
        for (part, extreme) in [
            ("min", stats.map(MetricStats::min)),
            ("max", stats.map(MetricStats::max)),
        ] {
            assert_eq!(
                column(part).as_f64(),
                extreme.map(|extreme| extreme.value),
                "{metric:?} {part}"
            );
            let turbine = column(&format!("{part}_turbine_id")).as_str();
            assert_eq!(
                turbine,
                extreme.map(|extreme| extreme.turbine_id.as_str()),
                "{metric:?} {part}"
            );
            let time = column(&format!("{part}_time"))
                .as_str()
                .map(|time| time.parse().unwrap());
            assert_eq!(
                time,
                extreme.map(|extreme| extreme.event_time),
                "{metric:?} {part}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_stored_whole_whatever_it_looks_like() {
    let rig = Rig::new().await;
    let mut store = rig.store();
    let mut batch = batch(0);
    for topic in Topic::ALL {
        store.enter(crate::make::lane(topic), 0).await.unwrap();
    }
    let letter = DeadLetter {
        rejection: Rejection {
            rule: "turbine_id".into(),
            reason: "turbine_id is T\0, allowed is less".into(),
            field: Some("turbine_id".into()),
            value: Some("T\0".into()),
            bound: Some("less".into()),
        },
        source: Some(Source {
            topic: "windfarm.readings".into(),
            partition: 2,
            offset: 41,
            timestamp: noon(0),
        }),
        component: "stream-aggregator".into(),
    };
    let headers = letter.to_headers();
    let taken = Taken::DeadLetter(Some(b"north"), Some(b"\0\xffbytes"), Some(&headers));
    push(&mut batch, Topic::DeadLetters, 0, taken);
    let odd = OwnedHeaders::new().insert(Header {
        key: "odd",
        value: Some(b"\0\xff"),
    });
    let odd = odd.insert(Header {
        key: "odd",
        value: Some("second"),
    });
    let odd = odd.insert(Header {
        key: "none",
        value: None::<&str>,
    });
    push(
        &mut batch,
        Topic::DeadLetters,
        1,
        Taken::DeadLetter(Some(b"\xff"), None, Some(&odd)),
    );
    push(
        &mut batch,
        Topic::DeadLetters,
        2,
        Taken::DeadLetter(None, None, None),
    );
    store.commit(&batch.seal()).await.unwrap();

    let rows = rows(&rig, "dead_letters", "kafka_offset").await;
    let expected = json!({
        "kafka_partition": 2, "kafka_offset": 0, "appended_at": "2025-11-23T13:00:00+00:00", "farm_id": "north",
        "key": "\\x6e6f727468", "payload": "\\x00ff6279746573",
        "reason": "turbine_id is T\u{fffd}, allowed is less", "rule": "turbine_id", "field": "turbine_id",
        "value": "T\u{fffd}", "bound": "less", "source_topic": "windfarm.readings", "source_partition": 2,
        "source_offset": 41, "source_timestamp": "2025-11-23T12:00:00+00:00", "component": "stream-aggregator",
        "replay_begun_at": null, "replayed_at": null, "replayed_topic": null, "replayed_partition": null,
        "replayed_offset": null,
        "headers": {
            "dlq.reason": "turbine_id is T\u{fffd}, allowed is less", "dlq.rule": "turbine_id",
            "dlq.field": "turbine_id", "dlq.value": "T\u{fffd}", "dlq.bound": "less",
            "dlq.source.topic": "windfarm.readings", "dlq.source.partition": "2", "dlq.source.offset": "41",
            "dlq.source.timestamp": "2025-11-23T12:00:00Z", "dlq.component": "stream-aggregator",
        },
    });
    assert_eq!(rows[0], expected);
    assert_eq!(
        (&rows[1]["farm_id"], &rows[1]["payload"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        rows[1]["headers"],
        json!({ "odd": "\u{fffd}\u{fffd}", "none": null })
    );
    assert_eq!((&rows[2]["key"], &rows[2]["headers"]), (&Value::Null, &json!({})));
}
