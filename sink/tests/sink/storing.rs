//! One batch is one transaction: all of it, once, or nothing.

use std::collections::BTreeMap;

use domain::RawReading;
use sink::batch::{Batch, Sealed, Taken};
use sink::lane::Topic;
use sink::store::{Store, StoreError};
use sqlx::Row;

use crate::make::{ALL_AT_ONCE, MINUTE, batch, lane, noon, push, push_late, push_reading, raw, windows};
use crate::rig::Rig;

async fn entered(rig: &Rig) -> Store {
    let mut store = rig.store();
    for topic in Topic::ALL {
        store.enter(lane(topic), 0).await.unwrap();
    }
    store
}

fn readings_batch(first: i64, readings: impl IntoIterator<Item = RawReading<'static>>) -> Sealed {
    filling_batch(first, readings).seal()
}

fn filling_batch(first: i64, readings: impl IntoIterator<Item = RawReading<'static>>) -> Batch {
    let mut batch = batch(first);
    for (offset, reading) in (first..).zip(readings) {
        push_reading(&mut batch, offset, reading);
    }
    batch
}

/// The mark of a late reading of `north` in the minute after noon.
pub(crate) fn mark(batch: &mut Batch, offset: i64, source_offset: i64) {
    push_late(batch, offset, noon(0), source_offset);
}

/// Stored, duplicates, refused, next offset of the readings.
async fn counters(rig: &Rig) -> [i64; 4] {
    let mut connection = rig.connect().await;
    let row =
        sqlx::query("SELECT stored, duplicates, refused, next_offset FROM kafka_offsets WHERE topic = $1")
            .bind(&rig.topics.readings)
            .fetch_one(&mut connection)
            .await
            .unwrap();
    ["stored", "duplicates", "refused", "next_offset"].map(|column| row.get(column))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_stored_is_stored_no_second_time() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    let batch = readings_batch(
        0,
        [raw("north", "T1", noon(0), 5.0), raw("north", "T1", noon(1), 6.0)],
    );
    store.commit(&batch).await.unwrap();
    let again = store.commit(&batch).await.unwrap_err();
    assert!(
        matches!(again, StoreError::Fenced { moved: 0, wanted: 1 }),
        "{again}"
    );
    assert_eq!(counters(&rig).await, [2, 0, 0, 2]);
    assert_eq!(rig.number("SELECT count(*) FROM readings").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_a_partition_stores_nothing_at_all() {
    let rig = Rig::new().await;
    let mut zombie = entered(&rig).await;
    let mut owner = rig.store();
    owner
        .commit(&readings_batch(0, [raw("north", "T1", noon(0), 5.0)]))
        .await
        .unwrap();

    // its dead letter is at the right offset, its reading is not
    let mut batch = filling_batch(0, [raw("north", "T9", noon(5), 5.0)]);
    push(
        &mut batch,
        Topic::DeadLetters,
        0,
        Taken::DeadLetter(None, None, None),
    );
    let error = zombie.commit(&batch.seal()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Fenced { moved: 1, wanted: 2 }),
        "{error}"
    );
    assert!(!error.is_transient());
    assert_eq!(rig.number("SELECT count(*) FROM dead_letters").await, 0);
    assert_eq!(rig.number("SELECT count(*) FROM turbines").await, 1);

    let offsets = zombie
        .offsets(&[lane(Topic::Readings), lane(Topic::DeadLetters)])
        .await
        .unwrap();
    assert_eq!(
        offsets,
        BTreeMap::from([(lane(Topic::Readings), 1), (lane(Topic::DeadLetters), 0)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_readings_of_one_turbine_and_time_the_first_in_the_log_stays_and_the_others_are_counted() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    store
        .commit(&readings_batch(0, [raw("north", "T1", noon(0), 1.0)]))
        .await
        .unwrap();
    let next_day = noon(86_400);
    let batch = readings_batch(
        1,
        [
            raw("north", "T1", noon(0), 2.0),  // there already
            raw("north", "T2", noon(0), 3.0),  // another turbine
            raw("north", "T2", noon(0), 4.0),  // in the same batch
            raw("south", "T1", next_day, 5.0), // another farm and day
            raw("south", "T1", next_day, 6.0),
            raw("south", "T1", next_day, 7.0),
        ],
    );
    let committed = store.commit(&batch).await.unwrap();
    assert_eq!(committed.duplicates, BTreeMap::from([(lane(Topic::Readings), 4)]));
    assert_eq!(counters(&rig).await, [3, 4, 0, 7]);
    assert_eq!(
        rig.number("SELECT sum(wind_speed_mps)::bigint FROM readings")
            .await,
        1 + 3 + 5
    );

    let counted = "SELECT sum(count * CASE farm_id WHEN 'north' THEN 1 ELSE 100 END * \
                   CASE day WHEN '2025-11-23' THEN 1 ELSE 10 END)::bigint FROM duplicates WHERE kafka_partition = 2";
    assert_eq!(rig.number(counted).await, 2 + 2 * 100 * 10);

    // and counts on
    store
        .commit(&readings_batch(7, [raw("north", "T1", noon(0), 8.0)]))
        .await
        .unwrap();
    assert_eq!(
        rig.number("SELECT count FROM duplicates WHERE farm_id = 'north'")
            .await,
        3
    );
    assert_eq!(counters(&rig).await, [3, 5, 0, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_move_the_offset_and_are_counted() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    let mut batch = filling_batch(0, [raw("north", "T1", noon(0), 1.0)]);
    push(&mut batch, Topic::Readings, 1, Taken::Refused);
    push(&mut batch, Topic::Readings, 5, Taken::Refused);
    store.commit(&batch.seal()).await.unwrap();
    assert_eq!(counters(&rig).await, [1, 0, 2, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reading_makes_its_windows_anew_as_soon_as_it_is_stored() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    let in_time = [raw("north", "T1", noon(1), 5.0), raw("north", "T2", noon(2), 7.0)];
    let late = [raw("north", "T1", noon(3), 9.0), raw("north", "T3", noon(4), 1.0)];
    let (mut farm, turbines) = windows(&in_time);
    farm.window.rejected_count = 6;
    farm.window.quality.gap = 2;

    let mut batch = filling_batch(0, in_time.clone());
    push(&mut batch, Topic::FarmWindows, 0, Taken::FarmWindow(&farm));
    for (offset, turbine) in (0..).zip(&turbines) {
        push(
            &mut batch,
            Topic::TurbineWindows,
            offset,
            Taken::TurbineWindow(turbine),
        );
    }
    mark(&mut batch, 0, 2);
    mark(&mut batch, 1, 3);
    store.commit(&batch.seal()).await.unwrap();
    assert_eq!(
        store.revise(MINUTE, ALL_AT_ONCE).await.unwrap().minutes,
        0,
        "the late readings are not stored yet"
    );

    store.commit(&readings_batch(2, late.clone())).await.unwrap();
    let revised = store.revise(MINUTE, ALL_AT_ONCE).await.unwrap();
    assert_eq!(
        (revised.minutes, revised.changed),
        (1, 1),
        "two marks of one minute are one revision"
    );
    assert_eq!(rig.number("SELECT count(*) FROM late_marks").await, 0);

    let all: Vec<_> = in_time.into_iter().chain(late).collect();
    let (expected, _) = windows(&all);
    let mut connection = rig.connect().await;
    let row = sqlx::query("SELECT *, close_reason::text AS reason FROM farm_windows")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<i32, _>("revision"), 1);
    assert_eq!(
        row.get::<i64, _>("rejected_count"),
        6,
        "what only the record knows stays"
    );
    assert_eq!(row.get::<i64, _>("gap_count"), 2, "and so does what is odd");
    assert_eq!(row.get::<&str, _>("reason"), "STREAM_TIME");
    assert_eq!(
        row.get::<i64, _>("reading_count"),
        i64::try_from(expected.window.reading_count).unwrap()
    );
    assert_eq!(row.get::<&str, _>("wind_speed_mps_min_turbine_id"), "T3");
    assert_eq!(row.get::<f64, _>("wind_speed_mps_max"), 9.0);
    let revisions: Vec<i32> = sqlx::query_scalar("SELECT revision FROM turbine_windows ORDER BY turbine_id")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(revisions, [1, 0, 1], "T2 has not changed, T3 is new");

    let mut duplicate = crate::make::batch(2);
    mark(&mut duplicate, 2, 3);
    store.commit(&duplicate.seal()).await.unwrap();
    let revised = store.revise(MINUTE, ALL_AT_ONCE).await.unwrap();
    assert_eq!(
        (revised.minutes, revised.changed),
        (1, 0),
        "what changes nothing is no revision"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_that_only_late_readings_made_waits_for_its_record() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    let readings = [raw("north", "T1", noon(1), 5.0), raw("north", "T1", noon(2), 6.0)];
    let mut batch = filling_batch(0, readings.clone());
    mark(&mut batch, 0, 1);
    store.commit(&batch.seal()).await.unwrap();
    assert_eq!(store.revise(MINUTE, ALL_AT_ONCE).await.unwrap().changed, 1);
    let made = "SELECT count(*) FROM farm_windows w JOIN turbine_windows t USING (farm_id, window_start) \
                WHERE w.revision = 1 AND t.revision = 1 AND w.close_reason IS NULL AND t.close_reason IS NULL \
                AND w.window_end = w.window_start + '1 min' AND w.reading_count = 2";
    assert_eq!(rig.number(made).await, 1);

    // the windows as they closed, with the first reading only, were behind in the log
    let (mut farm, turbines) = windows(&readings[..1]);
    farm.window.duplicate_count = 8;
    let mut batch = crate::make::batch(0);
    push(&mut batch, Topic::FarmWindows, 0, Taken::FarmWindow(&farm));
    push(
        &mut batch,
        Topic::TurbineWindows,
        0,
        Taken::TurbineWindow(&turbines[0]),
    );
    let committed = store.commit(&batch.seal()).await.unwrap();
    assert_eq!(committed.duplicates, BTreeMap::new());
    let filled = "SELECT count(*) FROM farm_windows w JOIN turbine_windows t USING (farm_id, window_start) \
                  WHERE w.revision = 1 AND w.close_reason = 'STREAM_TIME' AND t.close_reason = 'STREAM_TIME' \
                  AND w.duplicate_count = 8 AND w.reading_count = 2 AND w.kafka_offset = 0";
    assert_eq!(rig.number(filled).await, 1);

    // a second record of the same window would be an error elsewhere: told, and of no effect
    let mut batch = crate::make::batch(1);
    push(&mut batch, Topic::FarmWindows, 1, Taken::FarmWindow(&farm));
    let committed = store.commit(&batch.seal()).await.unwrap();
    assert_eq!(
        committed.duplicates,
        BTreeMap::from([(lane(Topic::FarmWindows), 1)])
    );
    assert_eq!(rig.number(filled).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_was_dropped_is_made_again() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    store
        .commit(&readings_batch(0, [raw("north", "T1", noon(0), 1.0)]))
        .await
        .unwrap();
    rig.execute("DROP TABLE readings_20251123").await;
    store
        .commit(&readings_batch(1, [raw("north", "T1", noon(1), 1.0)]))
        .await
        .unwrap();
    assert_eq!(rig.number("SELECT count(*) FROM readings").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_apart() {
    let rig = Rig::new().await;
    let nobody = rig.options().port(1);
    let away = Store::new(nobody, rig.topics.clone()).check().await.unwrap_err();
    assert!(away.is_transient(), "{away}");
    let stranger = Store::new(rig.options().username("nobody_of_that_name"), rig.topics.clone())
        .check()
        .await
        .unwrap_err();
    assert!(!stranger.is_transient(), "{stranger}");
    rig.execute("DROP TABLE late_marks").await;
    let missing = rig.store().check().await.unwrap_err();
    assert!(
        !missing.is_transient() && missing.to_string().contains("late_marks"),
        "{missing}"
    );
    let mut store = rig.store();
    store.offsets(&[lane(Topic::Readings)]).await.unwrap();
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(rig.number(ended).await >= 1);
    let cut = store.offsets(&[lane(Topic::Readings)]).await.unwrap_err();
    assert!(cut.is_transient(), "{cut}");
    store
        .offsets(&[lane(Topic::Readings)])
        .await
        .expect("it has connected anew");
}
