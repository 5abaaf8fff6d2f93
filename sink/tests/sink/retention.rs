//! Days are made ahead, and dropped whole when they were kept long enough; what comes for them later is set aside.

use std::sync::Arc;
use std::time::Duration;

use domain::{RawReading, TimeDelta, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sink::batch::day_of;
use sink::lane::Topic;
use sink::retention::{Keep, Retention};
use sink::store::Store;
use sink::time::{date_of, now};
use sink::upkeep::{Round, Upkeep};
use sqlx::{AssertSqlSafe, Executor};

use crate::make::{batch, lane, noon, push_reading, raw};
use crate::rig::{LIMIT, Rig};

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

const KEEP_ALL: Retention = Retention {
    raw: Keep::Always,
    windows: Keep::Always,
};

fn upkeep(rig: &Rig, retention: Retention) -> Upkeep {
    Upkeep {
        database: rig.options(),
        kafka: rig.stack.kafka(),
        retention,
        roll_ups: Keep::Always,
        kept: Arc::default(),
    }
}

/// Partitions of a table.
async fn days(rig: &Rig, table: &str) -> i64 {
    rig.number(&format!(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass"
    ))
    .await
}

fn ago(days: i64) -> Timestamp {
    now() - TimeDelta::from_secs(days * 86_400)
}

/// The log has at least as many records as are stored of it; those that are not have come just now.
fn fill(rig: &Rig, topic: &str) {
    let records = std::iter::repeat_n((&b"north"[..], &b""[..]), 200);
    testkit::produce(&rig.stack.kafka(), topic, Some(2), records);
}

/// A store that has entered every lane of partition 2, and these readings in it.
async fn stored(rig: &Rig, readings: impl IntoIterator<Item = RawReading<'static>>) -> (Store, i64) {
    fill(rig, &rig.topics.readings);
    let mut store = rig.store();
    for topic in Topic::ALL {
        store.enter(lane(topic), 0).await.unwrap();
    }
    let mut batch = batch(0);
    let mut next = 0;
    for reading in readings {
        push_reading(&mut batch, next, reading);
        next += 1;
    }
    store.commit(&batch.seal()).await.unwrap();
    (store, next)
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_made_before_they_are_needed_whoever_makes_them() {
    let rig = Rig::new().await;
    let upkeep = upkeep(&rig, KEEP_ALL);
    let today = now();
    let round = || upkeep.round(today);
    let (first, second, third) = tokio::join!(round(), round(), round());
    for round in [first, second, third] {
        assert_eq!(round.unwrap(), Round::default());
    }
    let tomorrow = date_of(day_of(today) + 1).to_string().replace('-', "");
    for table in ["readings", "farm_windows", "turbine_windows", "window_revisions"] {
        assert_eq!(days(&rig, table).await, 3, "{table}");
        let of_tomorrow = format!("SELECT count(*) FROM pg_class WHERE relname = '{table}_{tomorrow}'");
        assert_eq!(rig.number(&of_tomorrow).await, 1, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_dropped_whole_when_it_was_kept_long_enough_and_no_sooner() {
    let rig = Rig::new().await;
    // no day ends while this is looked at
    let noon = now().floor_to(DAY) - TimeDelta::from_secs(12 * 3_600);
    let ago = |days: i64| noon - TimeDelta::from_secs(days * 86_400);
    let readings = [29, 30, 31, 32, 32].map(|days| ago(days).floor_to(DAY));
    let readings = (0..)
        .zip(readings)
        .map(|(second, time)| raw("north", "T1", time + TimeDelta::from_secs(second), 5.0));
    stored(&rig, readings).await;
    let thirty_days = Retention {
        raw: Keep::Days(30),
        windows: Keep::Always,
    };
    let round = upkeep(&rig, thirty_days).round(noon).await.unwrap();
    assert_eq!(round, Round { dropped: 2, rows: 3 });
    let kept = "SELECT count(*) FROM readings WHERE kafka_offset < 2";
    assert_eq!(rig.number(kept).await, 2);
    assert_eq!(days(&rig, "readings").await, 2 + 3);
    assert_eq!(
        rig.number("SELECT sum(rows)::bigint FROM dropped_rows WHERE kafka_partition = 2")
            .await,
        3
    );
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'readings\\_%' AND relkind = 'r'";
    assert_eq!(
        rig.number(left).await,
        2 + 3,
        "nothing of the dropped days is left"
    );
    let gone = format!(
        "SELECT ensure_days('readings', ARRAY['{}'::date])",
        date_of(day_of(ago(31)))
    );
    rig.execute(&gone).await;
    assert_eq!(
        days(&rig, "readings").await,
        2 + 3,
        "a day that is gone is not made again"
    );

    let again = upkeep(&rig, thirty_days).round(noon).await.unwrap();
    assert_eq!(again, Round::default());
    let longer = Retention {
        raw: Keep::Days(60),
        windows: Keep::Days(60),
    };
    upkeep(&rig, longer).round(noon).await.unwrap();
    assert_eq!(
        days(&rig, "readings").await,
        2 + 3,
        "what is gone does not come back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_waits_for_what_came_in_time_and_is_not_stored_yet() {
    let rig = Rig::new().await;
    stored(&rig, [raw("north", "T1", ago(35), 5.0)]).await;
    // ten days ago somebody appended what nobody has stored since
    let mut producer = rig.stack.kafka().producer_config("test");
    let producer: BaseProducer = producer.set("linger.ms", "0").create().unwrap();
    let record = BaseRecord::to(&rig.topics.late_readings)
        .partition(2)
        .key("north")
        .payload("late")
        .timestamp(ago(10).as_millis());
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(LIMIT).unwrap();
    let upkeep = upkeep(
        &rig,
        Retention {
            raw: Keep::Days(30),
            windows: Keep::Days(30),
        },
    );
    assert_eq!(upkeep.round(now()).await.unwrap(), Round::default());
    assert_eq!(days(&rig, "readings").await, 1 + 3);

    let store = "UPDATE kafka_offsets SET next_offset = 1 WHERE topic LIKE '%.late-readings'";
    rig.execute(store).await;
    assert_eq!(upkeep.round(now()).await.unwrap(), Round { dropped: 1, rows: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_drop_days_while_others_store_and_read_hold_nobody_up() {
    let rig = Rig::new().await;
    let old = (0..12).map(|day| raw("north", "T1", ago(40 + day), 5.0));
    let (mut store, mut next) = stored(&rig, old).await;
    let mut reader = rig.connect().await;
    // somebody reads at length
    reader
        .execute("BEGIN; SELECT count(*) FROM readings")
        .await
        .unwrap();
    let upkeep = upkeep(
        &rig,
        Retention {
            raw: Keep::Days(30),
            windows: Keep::Days(30),
        },
    );
    let refused = format!("{:#}", upkeep.round(now()).await.unwrap_err());
    assert!(refused.contains("lock timeout"), "{refused}");
    assert_eq!(days(&rig, "readings").await, 12 + 3, "it has given up");

    let patiently = async || {
        let mut all = Round::default();
        loop {
            match upkeep.round(now()).await {
                Ok(round) => {
                    return Round {
                        dropped: all.dropped + round.dropped,
                        rows: all.rows + round.rows,
                    };
                }
                Err(error) => {
                    assert!(format!("{error:#}").contains("lock timeout"), "{error:#}");
                    all = Round::default();
                }
            }
        }
    };
    let storing = async {
        for _ in 0..100 {
            let mut batch = batch(0);
            batch.own(lane(Topic::Readings), next);
            let time = now() - TimeDelta::from_secs(next);
            push_reading(&mut batch, next, raw("north", "T2", time, 5.0));
            store.commit(&batch.seal()).await.unwrap();
            next += 1;
        }
    };
    let reading = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        reader.execute("COMMIT").await.unwrap();
    };
    let limited = tokio::time::timeout(LIMIT, async {
        tokio::join!(patiently(), patiently(), storing, reading)
    });
    limited.await.expect("nobody waits for ever");
    assert_eq!(rig.number("SELECT count(*) FROM readings").await, 100);
    let dropped =
        "SELECT count(*) * 1000 + sum(rows)::bigint FROM dropped_days WHERE table_name = 'readings'";
    assert_eq!(
        rig.number(dropped).await,
        12 * 1_000 + 12,
        "each day once, with its row"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_a_day_whose_readings_are_gone_are_never_made_anew() {
    let rig = Rig::new().await;
    let mut connection = rig.connect().await;
    fill(&rig, &rig.topics.late_readings);
    let (mut store, next) = stored(&rig, [raw("north", "T1", noon(0), 5.0)]).await;
    let window = "INSERT INTO farm_windows (farm_id, window_start, window_end, revision, reading_count, \
                  duplicate_count, rejected_count, turbine_count) VALUES ('north', '2025-11-23T12:00Z', \
                  '2025-11-23T12:01Z', 0, 1, 0, 0, 1)";
    let mut marked = batch(0);
    marked.own(lane(Topic::Readings), next);
    push_reading(&mut marked, next, raw("north", "T1", noon(1), 5.0));
    crate::make::push_late(&mut marked, 0, noon(0), next);
    store.commit(&marked.seal()).await.unwrap();
    connection.execute(AssertSqlSafe(window)).await.unwrap();
    let thirty_days = Retention {
        raw: Keep::Days(30),
        windows: Keep::Always,
    };
    upkeep(&rig, thirty_days).round(now()).await.unwrap();

    let revised = store
        .revise(crate::make::MINUTE, crate::make::ALL_AT_ONCE)
        .await
        .unwrap();
    assert_eq!((revised.minutes, revised.changed, revised.gone), (0, 0, 1));
    assert_eq!(rig.number("SELECT count(*) FROM late_marks").await, 0);
    let outlives = "SELECT count(*) FROM farm_windows WHERE revision = 0 AND reading_count = 1";
    assert_eq!(rig.number(outlives).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn months_of_windows_put_together_go_when_they_were_kept_long_enough_and_never_before_their_minutes() {
    let rig = Rig::new().await;
    stored(&rig, [raw("north", "T1", now(), 5.0)]).await;
    // a row in each of the last months, and the minutes of the oldest one
    rig.execute(
        "SELECT ensure_months(t, (SELECT array_agg(month::date)
                FROM generate_series(now() - interval '8 months', now(), '1 month') AS month))
            FROM unnest(ARRAY['ten_minute_farm_windows', 'hourly_farm_windows', 'ten_minute_turbine_windows',
                              'hourly_turbine_windows']) AS t;
         SELECT ensure_days('farm_windows', ARRAY[(now() - interval '8 months')::date])",
    )
    .await;
    let months = async |table| days(&rig, table).await;
    let upkeep = |windows, roll_ups| Upkeep {
        roll_ups,
        ..upkeep(
            &rig,
            Retention {
                raw: Keep::Always,
                windows,
            },
        )
    };
    upkeep(Keep::Always, Keep::Days(100)).round(now()).await.unwrap();
    assert_eq!(
        months("hourly_farm_windows").await,
        9,
        "minutes are kept for good"
    );

    upkeep(Keep::Days(30), Keep::Always).round(now()).await.unwrap();
    assert_eq!(
        months("hourly_farm_windows").await,
        9,
        "they outlive their minutes"
    );

    upkeep(Keep::Days(30), Keep::Days(100))
        .round(now())
        .await
        .unwrap();
    let kept = rig
        .number(
            "SELECT count(*) FROM generate_series(date_trunc('month', now() - interval '8 months', 'UTC'), now(), '1 month')
                AS month WHERE month + interval '1 month' > now() - interval '100 days 5 minutes'",
        )
        .await;
    assert!((4..=5).contains(&kept));
    for table in [
        "ten_minute_farm_windows",
        "hourly_farm_windows",
        "ten_minute_turbine_windows",
        "hourly_turbine_windows",
    ] {
        assert_eq!(months(table).await, kept, "{table}");
        let again = format!("SELECT ensure_months('{table}', ARRAY[(now() - interval '8 months')::date])");
        rig.execute(&again).await;
        assert_eq!(
            months(table).await,
            kept,
            "{table}: a month that is gone is not made again"
        );
    }
    let left =
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'hourly\\_farm\\_windows\\_%' AND relkind = 'r'";
    assert_eq!(
        rig.number(left).await,
        kept,
        "nothing of the dropped months is left"
    );
}
