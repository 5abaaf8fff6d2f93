//! What holds of every batch.

use domain::{Limits, Metric, RawReading, TimeDelta, Timestamp};
use proptest::prelude::*;
use rdkafka::message::OwnedHeaders;

use super::*;
use crate::copy::{read_bigint, read_integer};
use crate::lane::Topic;
use crate::rows::reading;

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

const LIMITS: BatchLimits = BatchLimits {
    rows: 3,
    bytes: 100_000,
    days: 2,
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

fn moves(sealed: &Sealed) -> Vec<(i32, i64, i64)> {
    let moved = |moved: &Move| (moved.lane.partition, moved.expected, moved.next);
    sealed.moves.iter().map(moved).collect()
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
    let sealed = batch.seal();
    assert_eq!(
        (sealed.rows.len(), moves(&sealed)),
        (3, vec![(0, 10, 12), (1, 0, 1)])
    );
    assert!(!batch.is_due(start + LIMITS.age) && batch.is_empty());
}

#[test]
fn a_batch_of_nothing_but_refusals_or_gaps_is_stored_too() {
    let now = Instant::now();
    let mut batch = batch();
    batch.push::<OwnedHeaders>(lane(0), place(0, 10), Taken::Refused, now);
    batch.skip_to(lane(1), 2, now);
    batch.skip_to(lane(1), 1, now);
    assert!(batch.rows().is_empty() && batch.is_due(now + LIMITS.age));
    let sealed = batch.seal();
    assert_eq!(moves(&sealed), [(0, 10, 11), (1, 0, 2)]);
    let refused: Vec<_> = sealed
        .moves
        .iter()
        .map(|moved| (moved.taken, moved.refused))
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
    assert!(batch.wants(lane(0), 12) && batch.is_empty() && batch.seal().moves.is_empty());
    batch.disown(lane(0));
    assert!(!batch.wants(lane(0), 12));
}

#[test]
fn readings_tell_which_days_and_turbines_they_are_of() {
    let day = |day: i64| Timestamp::from_micros((20_000 + day) * DAY.as_micros());
    let mut batch = batch();
    for (offset, (turbine, time)) in (10..).zip([("T2", day(1)), ("T1", day(0)), ("T2", day(0))]) {
        push_reading(&mut batch, offset, turbine, time);
    }
    assert!(batch.is_full(), "two days are all that it may have");
    let sealed = batch.seal();
    let days: Vec<_> = sealed.rows.days.iter().copied().collect();
    assert_eq!(
        days,
        [(DailyTable::Readings, 20_000), (DailyTable::Readings, 20_001)]
    );
    let spans = |sealed: &Sealed| -> Vec<_> {
        let turbines = sealed.turbines.iter();
        turbines
            .map(|turbine| {
                (
                    turbine.turbine_id.to_string(),
                    turbine.span.first,
                    turbine.span.last,
                )
            })
            .collect()
    };
    assert_eq!(
        spans(&sealed),
        [
            ("T1".to_owned(), day(0), day(0)),
            ("T2".to_owned(), day(0), day(1))
        ]
    );
    push_reading(&mut batch, 13, "T1", day(1));
    assert_eq!(spans(&batch.seal()), [("T1".to_owned(), day(1), day(1))]);
}

#[test]
fn the_readings_of_a_turbine_are_stored_next_to_each_other_in_the_order_of_the_log() {
    let mut batch = batch();
    let time = |seconds: i64| Timestamp::from_micros(20_000 * DAY.as_micros() + seconds * 1_000_000);
    for (offset, (turbine, seconds)) in (10..).zip([("T2", 1), ("T1", 4), ("T3", 1), ("T2", 2), ("T1", 5)]) {
        push_reading(&mut batch, offset, turbine, time(seconds));
    }
    let readings = batch.seal().rows.readings;
    let keys = readings.all().map(|row| reading::key_of(&readings, row));
    let keys: Vec<_> = keys
        .map(|(_, turbine, time)| (turbine.to_string(), time))
        .collect();
    let expected = [("T1", 4), ("T1", 5), ("T2", 1), ("T2", 2), ("T3", 1)];
    assert_eq!(
        keys,
        expected.map(|(turbine, seconds)| (turbine.to_owned(), time(seconds)))
    );
}

#[test]
fn a_reading_that_may_be_there_already_is_put_aside() {
    let mut batch = batch();
    let time = |seconds: i64| Timestamp::from_micros(20_000 * DAY.as_micros() + seconds * 1_000_000);
    for (offset, (turbine, seconds)) in
        (10..).zip([("T1", 1), ("T2", 1), ("T1", 1), ("T1", 2), ("T2", 1), ("T2", 3)])
    {
        push_reading(&mut batch, offset, turbine, time(seconds));
    }
    assert_eq!(
        (batch.rows().readings.rows(), batch.rows().suspects.rows()),
        (4, 2)
    );
    let sealed = batch.seal();
    batch.stored(sealed);
    push_reading(&mut batch, 16, "T1", time(2));
    assert_eq!(
        batch.rows().suspects.rows(),
        1,
        "it is remembered from batch to batch"
    );
    batch.forget();
    push_reading(&mut batch, 16, "T1", time(2));
    assert_eq!(
        batch.rows().suspects.rows(),
        0,
        "what is read again is as good as new"
    );
}

fn push_reading(batch: &mut Batch, offset: i64, turbine: &'static str, time: Timestamp) {
    let raw = RawReading {
        farm_id: "north".into(),
        turbine_id: turbine.into(),
        event_time: time,
        metrics: [(Metric::WindSpeed, 1.0)].into_iter().collect(),
        ..RawReading::default()
    };
    let reading = domain::validate(raw, time, &Limits::default()).unwrap();
    let taken = Taken::<OwnedHeaders>::Reading(&reading);
    batch.push(lane(0), place(0, offset), taken, Instant::now());
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A record of this lane, so many offsets after the last one, maybe once more.
    Record(i32, i64, bool),
    /// The next batch goes to the database.
    Store,
    /// It arrives there.
    Stored,
    /// It does not.
    Failed,
    /// It arrives there, and nobody hears of it.
    StoredUnheard,
    /// Everything is read again.
    Forgotten,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let record =
        (0..2_i32, 1..3_i64, any::<bool>()).prop_map(|(lane, by, again)| Event::Record(lane, by, again));
    let event = prop_oneof![
        8 => record,
        4 => Just(Event::Store),
        2 => Just(Event::Stored),
        1 => Just(Event::Failed),
        1 => Just(Event::StoredUnheard),
        1 => Just(Event::Forgotten),
    ];
    prop::collection::vec(event, 0..80)
}

/// A log of two partitions, a database, and a pipeline between them.
struct World {
    log: [Vec<i64>; 2],
    /// Offsets of the rows, and the next offset of each partition.
    rows: [Vec<i64>; 2],
    next: [i64; 2],
    pipeline: Pipeline,
    out: Option<Sealed>,
}

impl World {
    fn new() -> Self {
        let mut pipeline = Pipeline::new(Batch::new(LIMITS));
        for partition in 0..2 {
            pipeline.own(lane(partition), 0);
        }
        Self {
            log: [vec![], vec![]],
            rows: [vec![], vec![]],
            next: [0; 2],
            pipeline,
            out: None,
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Record(partition, by, again) => {
                let records = &mut self.log[index(partition)];
                records.push(records.last().map_or(0, |last| last + by));
                for _ in 0..=usize::from(again) {
                    self.read_on(partition);
                }
            }
            Event::Store => self.out = self.out.take().or_else(|| self.pipeline.next_batch()),
            Event::Stored => {
                if let Some(sealed) = self.out.take() {
                    match self.commit(&sealed) {
                        Ok(()) => self.pipeline.stored(sealed),
                        Err(()) => self.pipeline.fenced(),
                    }
                }
            }
            Event::Failed => {
                if let Some(sealed) = self.out.take() {
                    self.pipeline.failed(sealed);
                }
            }
            Event::StoredUnheard => {
                if let Some(sealed) = self.out.take() {
                    let _ = self.commit(&sealed);
                    self.pipeline.failed(sealed);
                }
            }
            Event::Forgotten => self.pipeline.forget(),
        }
        if self.pipeline.is_displaced() && self.out.is_none() {
            self.replace();
        }
    }

    /// Offers the records of a partition in order, those that were taken too, as long as there is room.
    fn read_on(&mut self, partition: i32) {
        for offset in self.log[index(partition)].clone() {
            if !self.pipeline.has_room() {
                return;
            }
            if self.pipeline.wants(lane(partition), offset) {
                let letter = Taken::<OwnedHeaders>::DeadLetter(None, None, None);
                let now = Instant::now();
                self.pipeline
                    .push(lane(partition), place(partition, offset), letter, now);
            }
        }
    }

    /// Reads on from what the database says, as after a seek.
    fn replace(&mut self) {
        let offsets = [0, 1].map(|partition| (lane(partition), self.next[index(partition)]));
        self.pipeline.replaced(offsets);
    }

    /// As the database would take it: all or nothing, by compare-and-set.
    fn commit(&mut self, sealed: &Sealed) -> Result<(), ()> {
        let holds = |moved: &Move| self.next[index(moved.lane.partition)] == moved.expected;
        if !sealed.moves.iter().all(holds) {
            return Err(());
        }
        for moved in &sealed.moves {
            let partition = index(moved.lane.partition);
            let covered = self.log[partition]
                .iter()
                .filter(|&&offset| (moved.expected..moved.next).contains(&offset));
            assert_eq!(covered.count() as u64, moved.taken);
            self.next[partition] = moved.next;
        }
        for row in 0..usize::try_from(sealed.rows.dead_letters.rows()).unwrap() {
            let fields: Vec<_> = sealed.rows.dead_letters.fields(row).take(2).collect();
            let partition = fields[0].and_then(read_integer).unwrap();
            let offset = fields[1].and_then(read_bigint).unwrap();
            self.rows[index(partition)].push(offset);
        }
        Ok(())
    }

    /// Until there is nothing left to do.
    fn drain(&mut self) {
        while self.rows != self.log {
            self.read_on(0);
            self.read_on(1);
            self.apply(Event::Store);
            assert!(self.out.is_some(), "nothing to store, and not all is stored");
            self.apply(Event::Stored);
        }
    }
}

fn index(partition: i32) -> usize {
    usize::try_from(partition).unwrap()
}

proptest! {
    /// Whatever becomes of batches on their way, each record is stored once, and in order.
    #[test]
    fn batches_neither_lose_nor_double_nor_disorder_a_record(events in events()) {
        let mut world = World::new();
        for event in events {
            world.apply(event);
            for partition in 0..2 {
                let below = world.log[partition].iter().filter(|&&offset| offset < world.next[partition]);
                prop_assert!(below.eq(world.rows[partition].iter()), "rows are those below the next offset");
            }
        }
        world.drain();
        prop_assert_eq!(&world.rows, &world.log);
    }

    #[test]
    fn a_batch_takes_no_more_than_it_may(offsets in prop::collection::vec(1..5_i64, 1..50)) {
        let mut world = World::new();
        for by in offsets {
            world.apply(Event::Record(0, by, false));
            prop_assert!(world.pipeline.rows() <= LIMITS.rows);
        }
    }
}
