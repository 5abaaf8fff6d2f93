//! A Kafka small enough to be seen through: logs, a group, transactions that are visible when they are committed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use avro::PartitionCheckpoint;
use domain::{Limits, Metric, RawReading, Reading, Timestamp};
use platform::Rejection;
use platform::intake::{NotAdmitted, RejectedReading};
use stream_aggregator::machine::{
    Answer, Committed, Effect, FoundCheckpoint, Handled, Intake, Machine, Output, Question, Record, Settings,
    Trouble,
};

/// A record of the readings: `farm turbine event_seconds power_kw`, `schema <id>` or anything else, which is a dead
/// letter.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) appended_at: Timestamp,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) logs: BTreeMap<i32, Vec<Stored>>,
    pub(crate) log_starts: BTreeMap<i32, i64>,
    pub(crate) committed: BTreeMap<i32, (i64, String)>,
    /// None: of an aborted transaction.
    pub(crate) checkpoints: BTreeMap<i32, Vec<Option<PartitionCheckpoint>>>,
    /// What readers of committed records see, with its partition.
    pub(crate) outputs: Vec<(i32, Output)>,
    pub(crate) commits: u32,
    pub(crate) owners: BTreeMap<i32, u32>,
}

/// One stream thread.
#[derive(Debug)]
pub(crate) struct Member {
    id: u32,
    pub(crate) machine: Machine,
    pub(crate) now: Instant,
    /// Where its consumer is in each partition that it believes to have.
    pub(crate) fetched: BTreeMap<i32, i64>,
    pub(crate) intake: Texts,
    sent: Vec<(i32, Output)>,
    /// Where its checkpoint records lie.
    checkpoints: Vec<(i32, i64)>,
    offsets: Vec<(i32, (i64, String))>,
    /// The process dies when it has carried out so many more effects.
    pub(crate) dies_after: Option<u32>,
    /// What the next questions of a kind are answered with.
    pub(crate) troubles: Vec<Planned>,
    /// Whether a commit that seems to fail has been done all the same.
    pub(crate) answer_is_lost: bool,
    pub(crate) failed: Option<String>,
    pub(crate) questions: Vec<Question>,
}

/// Reads records as [`Stored`] says.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) known_schemas: Vec<u32>,
    pub(crate) unusable_schemas: Vec<u32>,
}

/// A question, and what it will be answered with once.
pub(crate) type Planned = (fn(&Question) -> bool, Trouble);

/// The process has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Died;

impl Member {
    pub(crate) fn new(id: u32, settings: Settings) -> Self {
        Self {
            id,
            machine: Machine::new(settings),
            now: Instant::now(),
            fetched: BTreeMap::new(),
            intake: Texts::default(),
            sent: Vec::new(),
            checkpoints: Vec::new(),
            offsets: Vec::new(),
            dies_after: None,
            troubles: Vec::new(),
            answer_is_lost: false,
            failed: None,
            questions: Vec::new(),
        }
    }

    /// Takes partitions, whoever has had them.
    pub(crate) fn assign(&mut self, world: &mut World, partitions: &[i32]) -> Result<(), Died> {
        world
            .owners
            .extend(partitions.iter().map(|&partition| (partition, self.id)));
        self.machine.assigned(partitions.to_vec());
        self.carry_out_all(world)
    }

    pub(crate) fn revoke(&mut self, world: &mut World, partitions: &[i32]) -> Result<(), Died> {
        let lost = partitions
            .iter()
            .any(|partition| world.owners.get(partition) != Some(&self.id));
        self.machine.revoked(partitions.to_vec(), lost);
        self.carry_out_all(world)
    }

    /// Reads up to `most` records of each partition, and its end where that is.
    pub(crate) fn read(&mut self, world: &mut World, most: usize) -> Result<(), Died> {
        for partition in self.fetched.keys().copied().collect::<Vec<_>>() {
            for _ in 0..most {
                let Some(&offset) = self.fetched.get(&partition) else {
                    break;
                };
                let Some(stored) = world.logs[&partition].get(offset as usize).cloned() else {
                    self.machine.end_of_partition(partition, self.now);
                    break;
                };
                self.fetched.insert(partition, offset + 1);
                self.offer(world, partition, offset, &stored)?;
            }
        }
        Ok(())
    }

    pub(crate) fn tick(&mut self, world: &mut World, after: Duration) -> Result<(), Died> {
        self.now += after;
        self.machine.tick(self.now);
        self.carry_out_all(world)
    }

    fn offer(&mut self, world: &mut World, partition: i32, offset: i64, stored: &Stored) -> Result<(), Died> {
        let key = stored.text.split(' ').next().map(str::as_bytes);
        let record = Record {
            partition,
            offset,
            appended_at: stored.appended_at,
            key,
            payload: Some(stored.text.as_bytes()),
        };
        while self.machine.record(&record, &mut self.intake) == Handled::OfferAgain {
            self.carry_out_all(world)?;
        }
        self.carry_out_all(world)
    }

    pub(crate) fn carry_out_all(&mut self, world: &mut World) -> Result<(), Died> {
        while let Some(effect) = self.machine.next_effect() {
            if let Some(left) = &mut self.dies_after {
                if *left == 0 {
                    self.die(world);
                    return Err(Died);
                }
                *left -= 1;
            }
            self.carry_out(effect, world);
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, world: &mut World) {
        match effect {
            Effect::Begin => assert!(self.sent.is_empty(), "a transaction is open already"),
            Effect::Send { partition, output } => {
                if let Output::Checkpoint(_) = &output {
                    let log = world.checkpoints.entry(partition).or_default();
                    self.checkpoints.push((partition, log.len() as i64));
                    log.push(None);
                }
                self.sent.push((partition, output));
            }
            Effect::Assign(positions) => self.fetched.extend(positions),
            Effect::Unassign(partitions) => self
                .fetched
                .retain(|partition, _| !partitions.contains(partition)),
            Effect::Fail(why) => self.failed = Some(why),
            Effect::Ask(question) => {
                self.questions.push(question.clone());
                let trouble = self.troubles.iter().position(|(applies, _)| applies(&question));
                let answer = match trouble {
                    Some(place) => {
                        if question == Question::Commit && self.answer_is_lost {
                            self.commit(world);
                        }
                        Answer::Failed(self.troubles.remove(place).1)
                    }
                    None => self.answer(question, world),
                };
                self.machine.answer(answer, self.now);
            }
        }
    }

    fn answer(&mut self, question: Question, world: &mut World) -> Answer {
        match question {
            Question::Drain => Answer::Drained {
                checkpoints: self.checkpoints.clone(),
            },
            Question::SendOffsets(points) => {
                let is_ours = |partition| world.owners.get(&partition) == Some(&self.id);
                if points.iter().any(|point| !is_ours(point.partition)) {
                    return Answer::Failed(Trouble::Abort("illegal generation".into()));
                }
                assert!(
                    self.sent
                        .iter()
                        .all(|(partition, _)| points.iter().any(|point| point.partition == *partition)),
                    "something is sent for a partition whose offset is not"
                );
                let offset = |point: &stream_aggregator::machine::CommitPoint| {
                    (point.offset, point.metadata.to_string())
                };
                self.offsets = points
                    .iter()
                    .map(|point| (point.partition, offset(point)))
                    .collect();
                Answer::Done
            }
            Question::Commit => {
                self.commit(world);
                Answer::Done
            }
            Question::Abort | Question::Recreate => {
                self.die(world);
                Answer::Done
            }
            Question::ReadCommitted { partition } => {
                assert!(self.sent.is_empty(), "waiting with a transaction open");
                Answer::Committed(Committed {
                    offset: world.committed.get(&partition).cloned(),
                    log_start: world.log_starts.get(&partition).copied().unwrap_or(0),
                    log_end: world.logs[&partition].len() as i64,
                    has_checkpoint: world
                        .checkpoints
                        .get(&partition)
                        .is_some_and(|log| log.iter().any(Option::is_some)),
                })
            }
            Question::ReadCheckpoint { partition, offset } => {
                let log = world.checkpoints.get(&partition);
                let checkpoint = log.and_then(|log| log.get(offset as usize)?.clone());
                Answer::Checkpoint(
                    checkpoint.map(|checkpoint| Box::new(FoundCheckpoint { offset, checkpoint })),
                )
            }
            Question::Seek { partition, offset } => {
                self.fetched.insert(partition, offset);
                Answer::Done
            }
            Question::Resolve(schema) => {
                assert!(self.sent.is_empty(), "waiting with a transaction open");
                let settled = [&self.intake.known_schemas, &self.intake.unusable_schemas];
                if settled.iter().any(|schemas| schemas.contains(&schema)) {
                    Answer::Done
                } else {
                    Answer::Failed(Trouble::Retry("the registry does not answer".into()))
                }
            }
        }
    }

    fn commit(&mut self, world: &mut World) {
        world.commits += 1;
        for ((partition, offset), checkpoint) in
            self.checkpoints
                .drain(..)
                .zip(self.sent.iter().filter_map(|(_, output)| match output {
                    Output::Checkpoint(checkpoint) => Some(checkpoint.clone()),
                    Output::FarmWindow(_)
                    | Output::TurbineWindow(_)
                    | Output::Late { .. }
                    | Output::DeadLetter { .. } => None,
                }))
        {
            world.checkpoints.get_mut(&partition).unwrap()[offset as usize] = Some(checkpoint);
        }
        world.outputs.append(&mut self.sent);
        world.committed.extend(self.offsets.drain(..));
    }

    /// What was not committed has never been.
    fn die(&mut self, _world: &mut World) {
        self.sent.clear();
        self.checkpoints.clear();
        self.offsets.clear();
    }
}

impl Intake for Texts {
    fn admit<'a>(&mut self, record: &Record<'a>) -> Result<Reading<'a>, NotAdmitted<'a>> {
        let text = std::str::from_utf8(record.payload.unwrap_or_default()).unwrap();
        let rejected = |counted| {
            let rejection = Box::new(Rejection::undecodable(text));
            NotAdmitted::Rejected { rejection, counted }
        };
        if let Some(schema) = text.strip_prefix("schema ") {
            let schema = schema.parse().unwrap();
            return Err(
                if self.unusable_schemas.contains(&schema) || self.known_schemas.contains(&schema) {
                    rejected(None)
                } else {
                    NotAdmitted::UnknownSchema(schema)
                },
            );
        }
        let raw = parse(text).ok_or_else(|| rejected(None))?;
        let counted = RejectedReading {
            farm_id: raw.farm_id.clone(),
            turbine_id: raw.turbine_id.clone(),
            event_time: raw.event_time,
        };
        domain::validate(raw, record.appended_at, &Limits::default()).map_err(|_| rejected(Some(counted)))
    }
}

pub(crate) fn parse(text: &str) -> Option<RawReading<'_>> {
    let &[farm, turbine, event_seconds, power_kw] = text.split(' ').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let mut reading = RawReading {
        farm_id: Cow::Borrowed(farm),
        turbine_id: Cow::Borrowed(turbine),
        event_time: at(event_seconds.parse().ok()?),
        ..RawReading::default()
    };
    reading.metrics.set(Metric::ActivePower, power_kw.parse().ok());
    Some(reading)
}

/// A point in time, in seconds since the scripts' epoch.
pub(crate) fn at(seconds: f64) -> Timestamp {
    const EPOCH_MS: i64 = 1_800_000_000_000;
    Timestamp::from_millis(EPOCH_MS + (seconds * 1_000.0) as i64)
}
