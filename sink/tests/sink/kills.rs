//! Killed anywhere, the sink has stored each record once.

use std::time::Instant;

use platform::{LateReading, Source};
use sink::lane::Topic;
use testkit::{Program, committed_records};

use crate::make::{MINUTE, noon, raw, windows};
use crate::rig::{LIMIT, Rig};

const FAIL_POINTS: [&str; 11] = [
    "before-claim",
    "after-claim",
    "before-copy",
    "amid-copy",
    "after-copy:2",
    "before-commit",
    "after-commit",
    "after-commit:3",
    "before-revision-commit",
    "after-revision-commit",
    "before-commit:2",
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_it_goes_on_as_if_nothing_had_been() {
    let rig = Rig::new().await;
    let mut readings = 0;
    for (round, point) in (0..).zip(FAIL_POINTS) {
        readings += send_round(&rig, round).await;
        let mut sink = rig.spawn(Some(point));
        readings += until_dead(&rig, &mut sink, point, readings).await;
    }
    let mut last = rig.spawn(None);
    rig.until("SELECT count(*) FROM readings", readings).await;
    let rounds = i64::try_from(FAIL_POINTS.len()).unwrap();
    rig.until(
        "SELECT count(*) FROM farm_windows WHERE revision = 1 AND kafka_offset IS NOT NULL",
        rounds,
    )
    .await;
    rig.until("SELECT count(*) FROM late_marks", 0).await;
    rig.until("SELECT count(*) FROM dead_letters", rounds).await;
    assert!(last.terminate(LIMIT).success());

    let stored = "SELECT sum(stored)::bigint FROM kafka_offsets WHERE topic LIKE '%.readings'";
    assert_eq!(rig.number(stored).await, readings);
    let counted = "SELECT sum(duplicates)::bigint FROM kafka_offsets WHERE topic LIKE '%.readings'";
    assert_eq!(rig.number(counted).await, rounds);
    assert_eq!(
        rig.number("SELECT sum(count)::bigint FROM duplicates").await,
        rounds
    );
    let differing = "SELECT count(*) FROM farm_windows w WHERE (reading_count, wind_speed_mps_max) NOT IN \
                     (SELECT count(*), max(wind_speed_mps) FROM readings r WHERE r.farm_id = w.farm_id \
                      AND r.event_time >= w.window_start AND r.event_time < w.window_end)";
    assert_eq!(rig.number(differing).await, 0);
}

/// Waits until the sink has died at `point`. One that it must come to more than once takes more than one batch: when all
/// `readings` are stored, another one makes the next batch. Tells how many those were.
async fn until_dead(rig: &Rig, sink: &mut Program, point: &str, readings: i64) -> i64 {
    let deadline = Instant::now() + LIMIT;
    let mut more = 0;
    while sink.is_running() {
        assert!(Instant::now() < deadline, "{point} was not reached");
        if rig.number("SELECT count(*) FROM readings").await == readings + more {
            let again = raw("south", "T1", noon(readings + more), 1.0);
            rig.send_readings(&[again]).await;
            more += 1;
        }
    }
    assert!(!sink.wait(LIMIT).success());
    more
}

/// A minute of readings of one farm, one of them late, one twice; its windows, and a dead letter. Tells how many readings
/// there are to store.
async fn send_round(rig: &Rig, round: i64) -> i64 {
    let start = noon(round * 60);
    let in_time: Vec<_> = (0..59)
        .map(|second| raw("north", "T1", noon(round * 60 + second), second as f64))
        .collect();
    let late = raw("north", "T2", noon(round * 60 + 59), 70.0);
    rig.send_readings(&in_time).await;
    rig.send_readings(&[in_time[0].clone(), late]).await;
    let records = committed_records(&rig.stack.kafka(), &rig.topics.readings);
    let last = records.iter().max_by_key(|record| record.offset).unwrap();
    let source = Source {
        topic: rig.topics.readings.clone(),
        partition: last.partition,
        offset: last.offset,
        timestamp: last.timestamp,
    };
    let headers = LateReading {
        by_ms: 1,
        window_start: start.floor_to(MINUTE),
        source,
    }
    .to_headers();
    rig.send(Topic::LateReadings, [(&b"north"[..], b"late".to_vec(), headers)]);
    let (farm, turbines) = windows(&in_time);
    rig.send_windows(&farm, &turbines).await;
    rig.send(
        Topic::DeadLetters,
        [(
            &b"north"[..],
            b"dead".to_vec(),
            rdkafka::message::OwnedHeaders::new(),
        )],
    );
    60
}
