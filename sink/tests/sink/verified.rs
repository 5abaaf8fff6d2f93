//! What the sink has stored stands up to `verify`, and `verify` sees what does not.

use std::time::Duration;

use clap::Parser;
use domain::{Closed, FarmWindow, Metric, RawReading, TurbineWindow};
use platform::{DeadLetter, LateReading, Rejection, Source};
use sink::lane::Topic;
use testkit::committed_records;

use crate::make::{MINUTE, full, noon, raw, windows};
use crate::rig::Rig;

/// Three farms for three minutes, every reading twice in the first minute; with directions and ties.
fn readings(farm: &str, minute: i64) -> Vec<RawReading<'static>> {
    let reading = |second: i64| {
        let mut reading = full(
            farm,
            if second % 2 == 0 { "T2" } else { "T10" },
            noon(minute * 60 + second),
        );
        let wave = (second * 37 % 11) as f64;
        reading.metrics.set(Metric::WindSpeed, Some(wave));
        reading
            .metrics
            .set(Metric::WindDirection, Some((350.0 + 3.3 * wave) % 360.0));
        reading.metrics.set(
            Metric::ActivePower,
            (second % 3 > 0).then_some(wave * 100.0 - 50.0),
        );
        reading
    };
    (0..60).map(reading).collect()
}

/// Does what the stream-aggregator would do.
async fn produce(rig: &Rig) {
    for farm in ["north", "south", "west"] {
        for minute in 0..3 {
            let readings = readings(farm, minute);
            rig.send_readings(&readings).await;
            if minute == 0 {
                rig.send_readings(&readings[..20]).await;
            }
            // the last minute of one farm is still open: the others' are closed before their grace is over, as when idle
            if (farm, minute) != ("west", 2) {
                let (farm, turbines) = windows(&readings);
                rig.send_windows(&farm, &turbines).await;
            }
        }
    }
    let late = raw("north", "T3", noon(59), 60.0);
    let refused = raw("north", "T3", noon(60), 76.0);
    rig.send_readings(&[late.clone(), refused]).await;
    let records = committed_records(&rig.stack.kafka(), &rig.topics.readings);
    let source = |back: usize| {
        let record = records
            .iter()
            .filter(|record| record.key == b"north")
            .rev()
            .nth(back)
            .unwrap();
        Source {
            topic: rig.topics.readings.clone(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
        }
    };
    let window_start = late.event_time.floor_to(MINUTE);
    let headers = LateReading {
        by_ms: 1,
        window_start,
        source: source(1),
    }
    .to_headers();
    rig.send(Topic::LateReadings, [(&b"north"[..], Vec::new(), headers)]);
    let letter = DeadLetter {
        rejection: Rejection::new("wind_speed_mps", "too much"),
        source: Some(source(0)),
        component: "test".into(),
    };
    rig.send(
        Topic::DeadLetters,
        [(&b"north"[..], Vec::new(), letter.to_headers())],
    );
}

pub(crate) async fn verify(rig: &Rig, wait: Duration) -> verify::Report {
    let mut args = verify::Args::parse_from(["verify"]);
    args.kafka = rig.stack.kafka();
    args.registry = rig.stack.registry();
    args.database_url.clone_from(&rig.database.admin_url);
    args.wait = wait;
    verify::verify(&args).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_verified_and_what_was_tampered_with_is_named() {
    let rig = Rig::new().await;
    produce(&rig).await;
    let behind = verify(&rig, Duration::ZERO).await;
    assert!(
        behind
            .to_string()
            .contains("DIFF  the sink has read what the log held"),
        "{behind}"
    );

    let sink = rig.start(&[]);
    let report = verify(&rig, Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    let appended: i64 = report.partitions.iter().map(|partition| partition.appended).sum();
    assert_eq!(appended, 3 * (3 * 60 + 20) + 2);
    assert_eq!(
        report
            .partitions
            .iter()
            .map(|partition| partition.duplicates)
            .sum::<i64>(),
        60
    );
    sink.stop().await;

    // each in a window of its own
    let figures = [
        (
            "farm",
            "north",
            1,
            "wind_speed_mps_m2 = wind_speed_mps_m2 * (1 + 1e-7)",
            "wind_speed_mps:",
        ),
        (
            "farm",
            "north",
            2,
            "blade_pitch_deg_mean = blade_pitch_deg_mean + 1e-6",
            "blade_pitch_deg:",
        ),
        (
            "farm",
            "south",
            0,
            "nacelle_direction_deg_sum_sin = 1e-6",
            "nacelle_direction_deg:",
        ),
        (
            "farm",
            "south",
            1,
            "rotor_speed_rpm_max_turbine_id = 'T10'",
            "rotor_speed_rpm:",
        ),
        (
            "farm",
            "south",
            2,
            "wind_speed_mps_min_time = wind_speed_mps_min_time + '1 us'",
            "wind_speed_mps:",
        ),
        (
            "farm",
            "west",
            0,
            "theoretical_power_kw_count = 0",
            "theoretical_power_kw:",
        ),
        ("farm", "west", 1, "energy_kwh = energy_kwh + 1e-6", "energy"),
        (
            "turbine",
            "north",
            1,
            "reading_count = reading_count - 1",
            "readings",
        ),
        (
            "turbine",
            "north",
            2,
            "active_power_kw_max = active_power_kw_max + 1e-6",
            "active_power_kw:",
        ),
        (
            "turbine",
            "south",
            0,
            "wind_direction_deg_sum_cos = NULL",
            "wind_direction_deg:",
        ),
    ];
    for (table, farm, minute, change, _) in figures {
        let window = format!("farm_id = '{farm}' AND window_start = '{}'", noon(minute * 60));
        rig.execute(&format!("UPDATE {table}_windows SET {change} WHERE {window}"))
            .await;
    }
    let report = verify(&rig, Duration::ZERO).await;
    for (table, farm, minute, change, named) in figures {
        let start = format!("12:0{minute}:00");
        let is_it = |difference: &&String| difference.starts_with(farm) && difference.contains(&start);
        let by_readings = differences(&report, &format!("windows of {table}s are the group-by"));
        let difference = by_readings
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{change}\n{report}"));
        assert!(difference.contains(named), "{change}\n{difference}");
        let by_records = differences(&report, &format!("windows of {table}s on Kafka"));
        assert!(
            by_records.iter().any(|difference| is_it(&difference)),
            "{change}\n{report}"
        );
    }

    // each tells by its own claim
    let rows = [
        (
            "DELETE FROM farm_windows WHERE farm_id = 'west' AND window_start = '2025-11-23T12:00:00Z'",
            "windows of farms are the group-by",
            "in the window",
        ),
        (
            "UPDATE farm_windows SET kafka_offset = NULL WHERE farm_id = 'south' AND window_start = '2025-11-23T12:02:00Z'",
            "windows of farms on Kafka",
            "revision 0 is from no record",
        ),
        (
            "UPDATE turbine_windows SET kafka_offset = kafka_offset + 1000 WHERE farm_id = 'south'",
            "windows of turbines on Kafka",
            "no such record at",
        ),
        (
            "UPDATE kafka_offsets SET stored = stored + 1 WHERE topic LIKE '%.turbine-windows'",
            "the counters in kafka_offsets",
            "stored",
        ),
        (
            "INSERT INTO late_marks SELECT 'north', now(), partition, 0 FROM kafka_offsets \
          WHERE topic LIKE '%.readings' AND next_offset > 0 LIMIT 1",
            "windows of late readings",
            "marked by",
        ),
    ];
    for (sql, ..) in rows {
        rig.execute(sql).await;
    }
    rig.execute("DELETE FROM readings WHERE kafka_partition = 2 AND kafka_offset = 3")
        .await;
    rig.execute("DELETE FROM duplicates WHERE kafka_partition = 5")
        .await;
    let report = verify(&rig, Duration::ZERO).await;
    for (sql, claim, named) in rows {
        let found = differences(&report, claim);
        assert!(
            found.iter().any(|difference| difference.contains(named)),
            "{sql}\n{report}"
        );
    }
    let unbalanced: Vec<_> = report
        .partitions
        .iter()
        .filter(|partition| !partition.is_balanced())
        .collect();
    assert_eq!(
        unbalanced
            .iter()
            .map(|partition| partition.partition)
            .collect::<Vec<_>>(),
        [2, 5]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_from_the_log_before_the_sink_came_is_not_missed() {
    let rig = Rig::new().await;
    let refused = raw("north", "T1", noon(0), 76.0);
    let good = (1..4).map(|second| raw("north", "T1", noon(second), 5.0));
    rig.send_readings(&std::iter::once(refused).chain(good).collect::<Vec<_>>())
        .await;
    let records = committed_records(&rig.stack.kafka(), &rig.topics.readings);
    let letter = DeadLetter {
        rejection: Rejection::new("wind_speed_mps", "too much"),
        source: Some(Source {
            topic: rig.topics.readings.clone(),
            partition: records[0].partition,
            offset: 0,
            timestamp: records[0].timestamp,
        }),
        component: "test".into(),
    };
    rig.send(
        Topic::DeadLetters,
        [(&b"north"[..], Vec::new(), letter.to_headers())],
    );
    rig.remove_records_below(Topic::Readings, records[0].partition, 2)
        .await;

    let sink = rig.start(&[]);
    rig.until("SELECT count(*) FROM dead_letters", 1).await;
    let report = verify(&rig, Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    let balance = report
        .partitions
        .iter()
        .find(|balance| balance.appended > 0)
        .unwrap();
    assert_eq!(
        (balance.appended, balance.stored, balance.dead_letters),
        (2, 2, 0)
    );
    sink.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_were_dropped_still_add_up_and_what_comes_for_them_later_is_a_dead_letter() {
    let rig = Rig::new().await;
    produce(&rig).await;
    let sink = rig.start(&[]);
    let report = verify(&rig, Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    rig.until("SELECT count(*) FROM late_marks", 0).await;
    sink.stop().await;
    let revisions = rig.number("SELECT count(*) FROM window_revisions").await;
    let readings = rig.number("SELECT count(*) FROM readings").await;
    assert!(readings > 0 && revisions > 0);

    let sink = rig.start(&["--raw-retention", "30d"]);
    rig.until("SELECT count(*) FROM readings", 0).await;
    let outlived = rig.number("SELECT count(*) FROM farm_windows").await;
    assert_eq!(outlived, 3 * 3 - 1, "windows outlive their readings");
    let report = verify(&rig, Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    let stored: i64 = report.partitions.iter().map(|partition| partition.stored).sum();
    assert_eq!(stored, readings, "what was dropped counts as stored");

    // late by a year: one was to change a minute
    let late = [noon(30), noon(31)].map(|time| raw("north", "T4", time, 70.0));
    rig.send_readings(&late).await;
    let records = committed_records(&rig.stack.kafka(), &rig.topics.readings);
    let last = records.iter().rfind(|record| record.key == b"north").unwrap();
    let headers = LateReading {
        by_ms: 1,
        window_start: noon(0),
        source: Source {
            topic: rig.topics.readings.clone(),
            partition: last.partition,
            offset: last.offset,
            timestamp: last.timestamp,
        },
    }
    .to_headers();
    rig.send(Topic::LateReadings, [(&b"north"[..], Vec::new(), headers)]);
    let letters = "SELECT count(*) FROM dead_letters WHERE rule = 'retention' AND component = 'sink' \
                   AND field = 'event_time' AND bound LIKE 'at least %' AND payload IS NOT NULL";
    rig.until(letters, 2).await;
    rig.until("SELECT count(*) FROM refusals", 0).await;
    rig.until("SELECT count(*) FROM late_marks", 0).await;
    let report = verify(&rig, Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(rig.number("SELECT count(*) FROM readings").await, 0);
    let now = rig.number("SELECT count(*) FROM window_revisions").await;
    assert_eq!(now, revisions, "nothing is revised from a day that is gone");
    sink.stop().await;

    // the same for windows
    let sink = rig.start(&["--raw-retention", "30d", "--window-retention", "60d"]);
    rig.until("SELECT count(*) FROM farm_windows", 0).await;
    rig.until("SELECT count(*) FROM dropped_days WHERE rows IS NULL", 0)
        .await;
    let (farm, turbines) = windows_of_a_dropped_day();
    rig.send_windows(&farm, &turbines).await;
    let refused = "SELECT sum(refused)::bigint FROM kafka_offsets WHERE topic LIKE '%-windows'";
    rig.until(refused, 2).await;
    let report = verify(&rig, Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    sink.stop().await;
}

fn windows_of_a_dropped_day() -> (Closed<FarmWindow>, Vec<Closed<TurbineWindow>>) {
    windows(&[raw("east", "T1", noon(0), 5.0)])
}

pub(crate) fn differences<'a>(report: &'a verify::Report, claim: &str) -> &'a [String] {
    let check = report
        .checks
        .iter()
        .find(|check| check.claim.starts_with(claim))
        .unwrap();
    &check.differences
}
