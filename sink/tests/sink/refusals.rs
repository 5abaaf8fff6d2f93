//! Rows that the database itself refuses: each is a dead letter, once, and the rest of its batch goes in.

use std::collections::BTreeSet;

use domain::RawReading;
use sink::batch::{Batch, Taken};
use sink::lane::Topic;
use testkit::committed_records;

use crate::make::{batch, closed, lane, noon, nth, push, push_reading, raw, windows};
use crate::rig::{LIMIT, Rig};

/// What an operator may have against certain readings.
const NO_STORMS: &str =
    "ALTER TABLE readings ADD CONSTRAINT no_storms CHECK (wind_speed_mps < 60 OR wind_speed_mps IS NULL)";

const STORMS_IN_DEAD_LETTERS: &str = "SELECT count(*) FROM dead_letters WHERE rule = 'database' AND component = 'sink' \
     AND bound = 'no_storms' AND reason LIKE '%violates check constraint%'";

async fn entered(rig: &Rig) -> sink::store::Store {
    let mut store = rig.store();
    for topic in Topic::ALL {
        store.enter(lane(topic), 0).await.unwrap();
    }
    store
}

/// Readings of one turbine with these wind speeds.
fn filled(first: i64, speeds: impl IntoIterator<Item = f64>) -> Batch {
    let mut batch = batch(first);
    for (offset, speed) in (first..).zip(speeds) {
        push_reading(&mut batch, offset, raw("north", "T1", noon(offset), speed));
    }
    batch
}

async fn readings_counters(rig: &Rig) -> Vec<i64> {
    let mut counters = Vec::new();
    for column in ["stored", "duplicates", "refused", "next_offset"] {
        let sql = format!("SELECT sum({column})::bigint FROM kafka_offsets WHERE topic LIKE '%.readings'");
        counters.push(rig.number(&sql).await);
    }
    counters
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_found_among_the_others_and_those_go_in() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    rig.execute(NO_STORMS).await;
    let refused = [0, 13, 14, 99];
    let speed = |offset: i64| if refused.contains(&offset) { 70.0 } else { 5.0 };
    let mut batch = filled(0, (0..100).map(speed));
    push_reading(&mut batch, 100, raw("north", "T1", noon(7), 6.0)); // a duplicate
    push_reading(&mut batch, 101, raw("north", "T9", noon(500), 71.0)); // all that this turbine has
    let committed = store.commit(&batch.seal()).await.unwrap();

    let offsets: BTreeSet<_> = committed.refused.iter().map(|&(_, offset)| offset).collect();
    assert_eq!(offsets, [0, 13, 14, 99, 101].into());
    assert_eq!(committed.duplicates, [(lane(Topic::Readings), 1)].into());
    assert_eq!(readings_counters(&rig).await, [96, 1, 5, 102]);
    assert_eq!(rig.number("SELECT count(*) FROM readings").await, 96);
    let span = "SELECT count(*) FROM turbines WHERE turbine_id = 'T1' AND first_event_time = \
                (SELECT min(event_time) FROM readings) AND last_event_time = (SELECT max(event_time) FROM readings)";
    assert_eq!(rig.number(span).await, 1);
    assert_eq!(rig.number("SELECT count(*) FROM turbines").await, 1);
    assert_eq!(rig.number("SELECT count(*) FROM refusals").await, 5);

    let mut unsent = store.unsent_refusals(&[lane(Topic::Readings)], 2).await.unwrap();
    assert_eq!(
        unsent.iter().map(|refusal| refusal.offset).collect::<Vec<_>>(),
        [0, 13]
    );
    let rejection = unsent.remove(0).rejection;
    assert_eq!(
        (rejection.rule.as_ref(), rejection.bound.as_deref()),
        ("database", Some("no_storms"))
    );
    store.letters_sent(&unsent).await.unwrap();
    assert_eq!(rig.number("SELECT count(*) FROM refusals").await, 4);
    assert_eq!(
        store
            .unsent_refusals(&[lane(Topic::FarmWindows)], 2)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_window_stands_in_nobodys_way() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    rig.execute("ALTER TABLE farm_windows ADD CONSTRAINT few CHECK (reading_count < 3)")
        .await;
    let mut batch = batch(0);
    for (offset, readings) in (0..).zip([1, 3, 2]) {
        let of_minute: Vec<_> = (0..readings)
            .map(|second| raw("north", "T1", noon(offset * 60 + second), 5.0))
            .collect();
        let (farm, _) = windows(&of_minute);
        push(
            &mut batch,
            Topic::FarmWindows,
            offset,
            Taken::FarmWindow(&closed(farm.window)),
        );
    }
    let committed = store.commit(&batch.seal()).await.unwrap();
    assert_eq!(committed.refused, [(lane(Topic::FarmWindows), 1)].into());
    assert_eq!(rig.number("SELECT count(*) FROM farm_windows").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_not_made_refuses_its_rows_only() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    // as if the day were over for good
    rig.execute(
        "CREATE OR REPLACE FUNCTION ensure_days(parent text, days date[]) RETURNS void LANGUAGE sql AS ''",
    )
    .await;
    rig.execute(
        "CREATE TABLE today PARTITION OF readings FOR VALUES FROM ('2025-11-23 00:00+00') TO ('2025-11-24 00:00+00')",
    )
    .await;
    let mut batch = filled(0, [1.0, 2.0]);
    push_reading(&mut batch, 2, raw("north", "T1", noon(86_400), 3.0));
    let committed = store.commit(&batch.seal()).await.unwrap();
    assert_eq!(committed.refused, [(lane(Topic::Readings), 2)].into());
    assert_eq!(rig.number("SELECT count(*) FROM readings").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_shape_is_no_rows_fault() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    rig.execute("ALTER TABLE readings ALTER wind_speed_mps TYPE real")
        .await;
    let error = store.commit(&filled(0, [1.0]).seal()).await.unwrap_err();
    assert!(
        !error.is_transient() && error.to_string().contains("readings"),
        "{error}"
    );
    assert_eq!(rig.number("SELECT count(*) FROM refusals").await, 0);
}

fn storm(n: i64) -> RawReading<'static> {
    let mut reading = nth(n);
    reading.metrics.set(domain::Metric::WindSpeed, Some(74.0));
    reading
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_comes_as_a_dead_letter_with_the_databases_reason() {
    let rig = Rig::new().await;
    rig.execute(NO_STORMS).await;
    let sink = rig.start(&["--threads", "2"]);
    let readings: Vec<_> = (0..200)
        .map(|n| if n % 20 == 3 { storm(n) } else { nth(n) })
        .collect();
    rig.send_readings(&readings).await;
    rig.until(STORMS_IN_DEAD_LETTERS, 10).await;
    rig.until("SELECT count(*) FROM readings", 190).await;
    rig.until("SELECT count(*) FROM refusals", 0).await;
    sink.stop().await;

    assert_eq!(readings_counters(&rig).await, [190, 0, 10, 200]);
    let originals = committed_records(&rig.stack.kafka(), &rig.topics.readings);
    let letters = committed_records(&rig.stack.kafka(), &rig.topics.dead_letters);
    assert_eq!(letters.len(), 10);
    for letter in letters {
        let place = (
            letter.headers["dlq.source.partition"].parse().unwrap(),
            letter.headers["dlq.source.offset"].parse().unwrap(),
        );
        let original = originals
            .iter()
            .find(|original| (original.partition, original.offset) == place)
            .unwrap();
        assert_eq!((&letter.key, &letter.payload), (&original.key, &original.payload));
        assert_eq!(letter.partition, original.partition);
        assert_eq!(letter.headers["dlq.source.topic"], rig.topics.readings);
        assert_eq!(
            letter.headers["dlq.source.timestamp"],
            original.timestamp.to_string()
        );
    }
}

/// Between any two steps of a refusal: in its transaction, and while its letter is sent.
const FAIL_POINTS: [&str; 9] = [
    "before-refusal",
    "after-refusal",
    "before-letter",
    "after-letter",
    "before-letters-removed",
    "after-letters-removed",
    "before-letter:2",
    "after-letter:2",
    "after-letters-removed:2",
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_a_refused_record_is_one_dead_letter() {
    let rig = Rig::new().await;
    rig.execute(NO_STORMS).await;
    let mut sent = 0;
    for point in FAIL_POINTS {
        rig.send_readings(&(sent..sent + 20).map(nth).collect::<Vec<_>>())
            .await;
        rig.send_readings(&(sent + 20..sent + 23).map(storm).collect::<Vec<_>>())
            .await;
        sent += 23;
        let mut sink = rig.spawn(Some(point));
        if point.ends_with("removed:2") {
            // there may be one round of letters only: then one more record makes a second
            rig.until("SELECT count(*) FROM refusals", 0).await;
            rig.send_readings(&[storm(sent)]).await;
            sent += 1;
        }
        assert!(!sink.wait(LIMIT).success(), "{point} was not reached");
    }
    let storms = i64::try_from(FAIL_POINTS.len()).unwrap() * 3 + 1;
    let mut last = rig.spawn(None);
    rig.until(STORMS_IN_DEAD_LETTERS, storms).await;
    rig.until("SELECT count(*) FROM readings", sent - storms).await;
    rig.until("SELECT count(*) FROM refusals", 0).await;
    let unread = format!(
        "SELECT (SELECT sum(next_offset) FROM kafka_offsets WHERE topic = '{0}')::bigint",
        rig.topics.dead_letters
    );
    let letters = committed_records(&rig.stack.kafka(), &rig.topics.dead_letters);
    let letters = i64::try_from(letters.len()).unwrap();
    rig.until(&unread, letters).await;
    assert!(last.terminate(LIMIT).success());

    assert!(letters > storms, "some were sent twice: {letters} of {storms}");
    assert_eq!(rig.number(STORMS_IN_DEAD_LETTERS).await, storms);
    let counted = "SELECT sum(duplicates)::bigint FROM kafka_offsets WHERE topic LIKE '%.dead-letters'";
    assert_eq!(rig.number(counted).await, letters - storms);
    assert_eq!(readings_counters(&rig).await, [sent - storms, 0, storms, sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_any_size_are_stored() {
    let rig = Rig::new().await;
    let mut store = entered(&rig).await;
    // no repetition: an index would compress that
    let long: String = (0_u32..200_000)
        .map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap())
        .collect();
    let mut headers = rdkafka::message::OwnedHeaders::new();
    for key in [
        "dlq.rule",
        "dlq.reason",
        "dlq.source.topic",
        "dlq.component",
        "dlq.value",
    ] {
        headers = headers.insert(rdkafka::message::Header {
            key,
            value: Some(&long),
        });
    }
    for (key, value) in [
        ("partition", "1"),
        ("offset", "2"),
        ("timestamp", "2025-11-23T12:00:00Z"),
    ] {
        let key = format!("dlq.source.{key}");
        headers = headers.insert(rdkafka::message::Header {
            key: &key,
            value: Some(value),
        });
    }
    let mut batch = batch(0);
    let taken = Taken::DeadLetter(Some(b"north"), Some(b"bytes"), Some(&headers));
    push(&mut batch, Topic::DeadLetters, 0, taken);
    store.commit(&batch.seal()).await.unwrap();
    let whole = "SELECT count(*) FROM dead_letters WHERE length(headers->>'dlq.rule') = 200000 AND length(rule) = 249 \
                 AND headers->>'dlq.rule' LIKE rule || '%' AND length(source_topic) = 249 AND length(reason) = 200000";
    assert_eq!(rig.number(whole).await, 1);
}
