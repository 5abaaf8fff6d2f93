//! What holds of every batch.

use std::collections::BTreeSet;

use domain::{Limits, Metric, RawReading, TimeDelta, Timestamp};
use proptest::prelude::*;
use rdkafka::message::OwnedHeaders;

use super::*;
use crate::lane::Topic;

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

const LIMITS: BatchLimits = BatchLimits {
    rows: 3,
    bytes: 100_000,
    age: Duration::from_millis(150),
};

const fn lane(partition: i32) -> Lane {
    Lane {
        topic: Topic::Readings,
        partition,
    }
}

const fn place(partition: i32, offset: i64) -> Place {
    Place {
        partition,
        offset,
        appended_at: Timestamp::from_micros(0),
    }
}

fn batch() -> Batch {
    let mut batch = Batch::new(LIMITS);
    batch.own(lane(0), 10);
    batch.own(lane(1), 0);
    batch
}

fn push(batch: &mut Batch, partition: i32, offset: i64, now: Instant) {
    let letter = Taken::<OwnedHeaders>::DeadLetter(None, None, None);
    batch.push(lane(partition), place(partition, offset), letter, now);
}

fn moves(batch: &Batch) -> Vec<(i32, i64, i64)> {
    let moved = |(lane, progress): (Lane, Progress)| (lane.partition, progress.stored, progress.next);
    batch.moves().map(moved).collect()
}

#[test]
fn a_batch_is_due_when_it_is_full_or_its_first_row_is_old() {
    let start = Instant::now();
    let mut batch = batch();
    assert_eq!((batch.due_in(start), batch.is_due(start)), (None, false));
    push(&mut batch, 0, 10, start);
    push(&mut batch, 0, 11, start + LIMITS.age / 2);
    assert_eq!(batch.due_in(start + LIMITS.age / 3), Some(LIMITS.age * 2 / 3));
    assert!(!batch.is_due(start + LIMITS.age / 2));
    assert!(batch.is_due(start + LIMITS.age));
    push(&mut batch, 1, 0, start);
    assert!(batch.is_due(start), "three rows are all that it may have");
    batch.stored();
    assert!(!batch.is_due(start + LIMITS.age) && batch.is_empty());
}

#[test]
fn a_batch_of_nothing_but_refusals_or_gaps_is_stored_too() {
    let now = Instant::now();
    let mut batch = batch();
    batch.push::<OwnedHeaders>(lane(0), place(0, 10), Taken::Refused, now);
    batch.skip_to(lane(1), 2, now);
    batch.skip_to(lane(1), 1, now);
    assert_eq!(moves(&batch), [(0, 10, 11), (1, 0, 2)]);
    assert!(batch.rows().is_empty() && batch.is_due(now + LIMITS.age));
    let refused: Vec<_> = batch
        .lanes()
        .map(|(_, progress)| (progress.taken, progress.refused))
        .collect();
    assert_eq!(refused, [(0, 1), (0, 0)]);
}

#[test]
fn what_comes_again_or_to_others_is_not_wanted() {
    let now = Instant::now();
    let mut batch = batch();
    assert!(!batch.wants(lane(0), 9) && batch.wants(lane(0), 10) && !batch.wants(lane(2), 0));
    push(&mut batch, 0, 12, now);
    assert!(!batch.wants(lane(0), 12) && batch.wants(lane(0), 13));
    batch.forget();
    assert!(batch.wants(lane(0), 12) && batch.is_empty() && moves(&batch).is_empty());
    batch.disown(lane(0));
    assert!(!batch.wants(lane(0), 12));
}

#[test]
fn readings_tell_which_days_and_turbines_they_are_of() {
    let day = |day: i64| Timestamp::from_micros((20_000 + day) * DAY.as_micros());
    let mut batch = batch();
    for (offset, (turbine, time)) in (10..).zip([("T2", day(1)), ("T1", day(0)), ("T2", day(0))]) {
        let raw = RawReading {
            farm_id: "north".into(),
            turbine_id: turbine.into(),
            event_time: time,
            metrics: [(Metric::WindSpeed, 1.0)].into_iter().collect(),
            ..RawReading::default()
        };
        let reading = domain::validate(raw, day(2), &Limits::default()).unwrap();
        let taken = Taken::<OwnedHeaders>::Reading(&reading);
        batch.push(lane(0), place(0, offset), taken, Instant::now());
    }
    let days: Vec<_> = batch.rows().days.iter().copied().collect();
    assert_eq!(
        days,
        [(DailyTable::Readings, 20_000), (DailyTable::Readings, 20_001)]
    );
    let turbines: Vec<_> = batch
        .rows()
        .turbines()
        .into_iter()
        .map(|(_, turbine, span)| (turbine.to_string(), span.first, span.last))
        .collect();
    assert_eq!(
        turbines,
        [
            ("T1".to_owned(), day(0), day(0)),
            ("T2".to_owned(), day(0), day(1))
        ]
    );
}

#[derive(Debug, Clone)]
enum Event {
    /// A record of this lane, so many offsets after the last one, maybe once more.
    Record(i32, i64, bool),
    Stored,
    Forgotten,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let record =
        (0..2_i32, 1..3_i64, any::<bool>()).prop_map(|(lane, by, again)| Event::Record(lane, by, again));
    let event = prop_oneof![6 => record, 2 => Just(Event::Stored), 1 => Just(Event::Forgotten)];
    prop::collection::vec(event, 0..60)
}

proptest! {
    /// A log that is read again from what is stored, whenever the batch is forgotten, is stored whole and once.
    #[test]
    fn a_batch_neither_loses_nor_doubles_a_record(events in events()) {
        let now = Instant::now();
        let mut batch = Batch::new(LIMITS);
        let (mut log, mut stored) = ([vec![], vec![]], [vec![], vec![]]);
        for partition in 0..2 {
            batch.own(lane(partition), 0);
        }
        for event in events {
            match event {
                Event::Record(partition, by, again) => {
                    let records: &mut Vec<i64> = &mut log[usize::try_from(partition).unwrap()];
                    let offset = records.last().map_or(0, |last| last + by);
                    records.push(offset);
                    for _ in 0..=usize::from(again) {
                        if batch.wants(lane(partition), offset) {
                            push(&mut batch, partition, offset, now);
                        }
                    }
                }
                Event::Stored => store(&mut batch, &log, &mut stored),
                Event::Forgotten => {
                    batch.forget();
                    // reading on from what the database says
                    for (lane, progress) in batch.lanes().collect::<Vec<_>>() {
                        let records = &log[usize::try_from(lane.partition).unwrap()];
                        for &offset in records.iter().filter(|&&offset| offset >= progress.stored) {
                            push(&mut batch, lane.partition, offset, now);
                        }
                    }
                }
            }
        }
        store(&mut batch, &log, &mut stored);
        prop_assert_eq!(&stored, &log);
        prop_assert_eq!(stored.map(|offsets| offsets.into_iter().collect::<BTreeSet<_>>().len()), log.map(|l| l.len()));
    }
}

/// As the database would take it: as many rows as its moves cover records.
fn store(batch: &mut Batch, log: &[Vec<i64>; 2], stored: &mut [Vec<i64>; 2]) {
    let mut rows = 0;
    for (lane, progress) in batch.moves() {
        let partition = usize::try_from(lane.partition).unwrap();
        let covered = log[partition]
            .iter()
            .filter(|&&offset| (progress.stored..progress.next).contains(&offset));
        stored[partition].extend(covered.clone());
        assert_eq!(covered.count() as u64, progress.taken);
        rows += progress.taken;
    }
    assert_eq!(rows, batch.rows().dead_letters.rows());
    batch.stored();
}
