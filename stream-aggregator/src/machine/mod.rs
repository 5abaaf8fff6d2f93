//! What decides: which windows close and are sent, when a transaction is committed and with which offsets, what is
//! read back when a partition is taken up, what is a replay, and what is done when something fails. It knows no
//! Kafka client and no clock; everything that happens is told by a call, and everything that is to be done comes out
//! of [`Machine::next_effect`]. To drive it:
//!
//! ```text
//! machine.record(…) | end_of_partition(…) | tick(…) | assigned(…) | revoked(…) | schema_settled(…) | stop()
//! while let Some(effect) = machine.next_effect() {
//!     carry the effect out; if it is a question: machine.answer(answer, now)
//! }
//! ```
//!
//! **Invariant.** Whatever fails, whenever, and however often partitions move: each (farm, window) is sent in one
//! committed transaction, and equals the naive group-by of the readings that were not late.

mod effect;
mod metadata;
mod partition;
mod record;
mod recovery;
mod transaction;
mod tries;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use avro::SchemaId;
use windowing::WindowConfig;

pub use effect::{
    Answer, CommitPoint, Committed, Effect, FoundCheckpoint, Original, Output, Question, Trouble,
};
pub use metadata::{Metadata, MetadataError};
pub use partition::Counts;
pub use record::{Intake, Record};

use partition::{Partition, Taken};
use recovery::Recovery;
use tries::Tries;

/// How soon after a commit a closed window may cause the next one. Live, windows close seconds apart, if not those of many
/// farms together, and are committed at once.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// What the machine needs to be told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The topic of the readings, for messages.
    pub topic: String,
    /// When windows close.
    pub windows: WindowConfig,
    /// The longest time that something processed stays uncommitted.
    pub commit_interval: Duration,
}

/// The partitions of one stream thread, and its transaction.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    slots: BTreeMap<i32, Slot>,
    jobs: VecDeque<Job>,
    /// What its answer is awaited for.
    step: Option<Step>,
    effects: VecDeque<Effect>,
    transaction_open: bool,
    /// Whether anything has been processed since the last commit.
    touched: bool,
    /// Whether a window has closed since the last commit.
    closed: bool,
    /// Whether a backlog is being read.
    behind: bool,
    last_commit: Option<Instant>,
    /// When a producer had to be replaced, lately.
    recreated: VecDeque<Instant>,
    /// Transactions aborted since the last one that was committed.
    aborts: u32,
    last_abort: Option<Instant>,
    /// What is tried in vain, by partition.
    tries: BTreeMap<i32, Tries>,
    joined: bool,
    stopping: bool,
    counts: Counts,
}

/// A partition that is ours.
#[derive(Debug)]
enum Slot {
    Running(Box<Partition>),
    /// What we knew of it may not be what is committed: it must be read back.
    Stale,
    /// Its next record has a writer schema that could not be found out yet.
    Waiting(SchemaId),
}

/// Something that takes several effects. Jobs are done one after the other.
#[derive(Debug)]
enum Job {
    Commit,
    Abort,
    /// Read every partition back.
    Doubt,
    /// Find the schema of the next record of a partition.
    Resolve {
        partition: i32,
        schema: SchemaId,
    },
    Recover(Recovery),
    /// Let partitions go.
    Release(Vec<i32>),
}

/// What is being waited for.
#[derive(Debug)]
enum Step {
    Drain,
    SendOffsets { points: Vec<CommitPoint>, tries: u32 },
    Commit,
    Abort,
    Recreate,
    Resolve { partition: i32, schema: SchemaId },
    Recover(Recovery),
}

/// Whether a record has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It has.
    Done,
    /// Carry out the effects, then offer the record again.
    OfferAgain,
}

/// What keeps a partition from being up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// No partitions have been given to us yet.
    NotJoined,
    /// The partition's open windows are being built again.
    Restoring(i32),
    /// The partition waits for a writer schema.
    WaitingForSchema(i32, SchemaId),
}

impl Machine {
    /// Without partitions.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            slots: BTreeMap::new(),
            jobs: VecDeque::new(),
            step: None,
            effects: VecDeque::new(),
            transaction_open: false,
            touched: false,
            closed: false,
            behind: false,
            last_commit: None,
            recreated: VecDeque::new(),
            aborts: 0,
            last_abort: None,
            tries: BTreeMap::new(),
            joined: false,
            stopping: false,
            counts: Counts::ZERO,
        }
    }

    /// A record has been read. One that is not the partition's next is dropped: it is a redelivery, or its partition
    /// is being read back.
    pub fn record(&mut self, record: &Record<'_>, intake: &mut impl Intake) -> Handled {
        let Some(Slot::Running(partition)) = self.slots.get_mut(&record.partition) else {
            return Handled::Done;
        };
        if self.stopping {
            return Handled::Done;
        }
        let taken = partition.record(record, intake, &mut self.counts);
        match taken {
            Taken::Done => {
                if !self.tries.is_empty() {
                    self.tries.remove(&record.partition); // it is read
                }
                self.touched |= partition.is_touched();
                if partition.has_outputs() {
                    self.collect(record.partition);
                }
                Handled::Done
            }
            Taken::UnknownSchema(schema) => {
                self.jobs.push_back(Job::Commit); // finding a schema takes time, and none is spent in a transaction
                self.jobs.push_back(Job::Resolve {
                    partition: record.partition,
                    schema,
                });
                Handled::OfferAgain
            }
        }
    }

    /// A partition has been read to its end, for the moment.
    pub fn end_of_partition(&mut self, partition: i32, now: Instant) {
        if let Some(Slot::Running(partition)) = self.slots.get_mut(&partition) {
            partition.end_reached(now);
        }
    }

    /// Time has passed. To be called several times a second, and soon when [`Self::wants_tick`].
    pub fn tick(&mut self, now: Instant) {
        if self.stopping || self.step.is_some() || !self.jobs.is_empty() {
            return;
        }
        let running: Vec<i32> = self.slots.keys().copied().collect();
        for partition in running {
            if let Some(Slot::Running(running)) = self.slots.get_mut(&partition) {
                running.tick(now, &mut self.counts);
                self.collect(partition);
            }
        }
        if self.is_commit_due(now) {
            self.jobs.push_back(Job::Commit);
        }
        let stale: Vec<i32> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Stale))
            .map(|(&p, _)| p)
            .collect();
        if !stale.is_empty() && !self.is_pausing(now) {
            self.jobs.push_back(Job::Commit); // never wait with a transaction open
            self.jobs.push_back(Job::Recover(Recovery::in_place(stale)));
        }
    }

    /// Whether something should be done sooner than at the next regular tick.
    pub const fn wants_tick(&self) -> bool {
        self.closed && !self.behind
    }

    /// Whether a backlog is being read: no end of a partition has been seen for a while. Then windows close all the time,
    /// long after their readings came, and none is worth a commit of its own.
    pub const fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// We are a member of the group, be there partitions for us or not.
    pub const fn joined(&mut self) {
        self.joined = true;
    }

    /// These partitions are ours from now on. The last effect of this is [`Effect::Assign`].
    pub fn assigned(&mut self, partitions: Vec<i32>) {
        self.joined = true;
        if partitions.is_empty() {
            self.effects.push_back(Effect::Assign(Vec::new()));
            return;
        }
        self.jobs.push_back(Job::Commit);
        self.jobs
            .push_back(Job::Recover(Recovery::of_assignment(partitions)));
    }

    /// These partitions are to be given up, or are somebody else's already (`lost`). The last effect of this is
    /// [`Effect::Unassign`].
    pub fn revoked(&mut self, partitions: Vec<i32>, lost: bool) {
        self.jobs.push_back(if lost { Job::Abort } else { Job::Commit });
        self.jobs.push_back(Job::Release(partitions));
    }

    /// A position may not be in the log any more: all partitions are read back, and the one at fault is named. If that
    /// is said again and again, and nothing is read meanwhile, we end.
    pub fn positions_doubtful(&mut self) {
        self.jobs.push_back(Job::Commit);
        self.jobs.push_back(Job::Doubt);
    }

    /// A schema that somebody waits for has been found, or will never be.
    pub fn schema_settled(&mut self, schema: SchemaId) {
        for slot in self.slots.values_mut() {
            if matches!(slot, Slot::Waiting(waiting) if *waiting == schema) {
                *slot = Slot::Stale;
            }
        }
    }

    /// Commits what there is, and takes no more records.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.jobs.push_back(Job::Commit);
    }

    /// What is to be done next. None: go on reading.
    pub fn next_effect(&mut self) -> Option<Effect> {
        if self.effects.is_empty() && self.jobs.is_empty() {
            return None; // as after nearly every record
        }
        loop {
            if let Some(effect) = self.effects.pop_front() {
                return Some(effect);
            }
            if self.step.is_some() {
                return None;
            }
            let job = self.jobs.pop_front()?;
            self.start(job);
        }
    }

    /// What came of the last [`Effect::Ask`].
    pub fn answer(&mut self, answer: Answer, now: Instant) {
        match self.step.take() {
            Some(Step::Resolve { partition, schema }) => {
                if answer != Answer::Done && self.slots.contains_key(&partition) {
                    self.slots.insert(partition, Slot::Waiting(schema));
                }
            }
            Some(Step::Recover(recovery)) => self.recover(recovery, answer),
            Some(step) => self.transact(step, answer, now),
            None => debug_assert!(false, "nobody waits for {answer:?}"),
        }
    }

    /// What has been counted since this was last called.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// What keeps us from being up to date, in the order of partitions.
    pub fn hindrances(&self) -> impl Iterator<Item = Hindrance> + '_ {
        let of_slots = self.slots.iter().filter_map(|(&number, slot)| match slot {
            Slot::Running(partition) => partition.is_replaying().then_some(Hindrance::Restoring(number)),
            Slot::Stale => Some(Hindrance::Restoring(number)),
            Slot::Waiting(schema) => Some(Hindrance::WaitingForSchema(number, *schema)),
        });
        (!self.joined)
            .then_some(Hindrance::NotJoined)
            .into_iter()
            .chain(of_slots)
    }

    /// The windows that are open, over all partitions.
    pub fn open_windows(&self) -> usize {
        self.running()
            .map(|(_, partition)| partition.open_windows())
            .sum()
    }

    /// Whether a partition is ours.
    pub fn owns(&self, partition: i32) -> bool {
        self.slots.contains_key(&partition)
    }

    /// Our partition with the lowest number from `number` on.
    pub fn partition_from(&self, number: i32) -> Option<i32> {
        self.slots.range(number..).next().map(|(&partition, _)| partition)
    }

    fn start(&mut self, job: Job) {
        match job {
            Job::Commit => self.start_commit(),
            Job::Abort => self.start_abort(),
            Job::Doubt => self.doubt(),
            Job::Resolve { partition, schema } => {
                if matches!(self.slots.get(&partition), Some(Slot::Running(_))) {
                    self.ask(Step::Resolve { partition, schema }, Question::Resolve(schema));
                }
            }
            Job::Recover(recovery) => self.recover_next(recovery),
            Job::Release(partitions) => {
                for partition in &partitions {
                    self.slots.remove(partition);
                    self.tries.remove(partition);
                }
                self.effects.push_back(Effect::Unassign(partitions));
            }
        }
    }

    fn ask(&mut self, step: Step, question: Question) {
        self.step = Some(step);
        self.effects.push_back(Effect::Ask(question));
    }

    /// Takes over what a partition wants to be sent.
    fn collect(&mut self, number: i32) {
        let Some(Slot::Running(partition)) = self.slots.get_mut(&number) else {
            return;
        };
        self.touched |= partition.is_touched();
        self.closed |= partition.has_closed();
        let outputs = partition.take_outputs();
        if !outputs.is_empty() {
            self.begin();
            self.effects
                .extend(outputs.into_iter().map(|output| Effect::Send {
                    partition: number,
                    output,
                }));
        }
    }

    fn running(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.slots.iter().filter_map(|(&number, slot)| match slot {
            Slot::Running(partition) => Some((number, &**partition)),
            Slot::Stale | Slot::Waiting(_) => None,
        })
    }
}
