//! What the state machine wants done, and what came of it.

use avro::{PartitionCheckpoint, SchemaId};
use domain::{Closed, FarmWindow, Timestamp, TurbineWindow};
use platform::Rejection;

use super::metadata::Metadata;

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Begin a transaction; local and free.
    Begin,
    /// Send a record within the transaction. Nothing is waited for; a failure shows at [`Question::Drain`].
    Send {
        /// The partition of the readings that it comes from, and of the topic that it goes to.
        partition: i32,
        /// What it says.
        output: Output,
    },
    /// Answer a rebalance: take these partitions, from these offsets on.
    Assign(Vec<(i32, i64)>),
    /// Answer a rebalance: let these partitions go.
    Unassign(Vec<i32>),
    /// Do something that can fail, and tell the answer before anything else is done.
    Ask(Question),
    /// Nothing more can be done: end, with this reason.
    Fail(String),
}

/// Something whose outcome decides what comes next. Each may be answered with [`Answer::Failed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Wait until everything that was sent is acknowledged: [`Answer::Drained`].
    Drain,
    /// Put these offsets into the transaction, with the group's metadata taken freshly and then a look whether the
    /// assignment is lost: this call is the fence. [`Answer::Done`].
    SendOffsets(Vec<CommitPoint>),
    /// Commit the transaction: [`Answer::Done`].
    Commit,
    /// Abort the transaction: [`Answer::Done`].
    Abort,
    /// Replace the producer by a new one with the same id: [`Answer::Done`].
    Recreate,
    /// Read a partition's committed offset: [`Answer::Committed`].
    ReadCommitted {
        /// The partition.
        partition: i32,
    },
    /// Read one record of the topic of checkpoints: [`Answer::Checkpoint`].
    ReadCheckpoint {
        /// The partition.
        partition: i32,
        /// Where it lies.
        offset: i64,
    },
    /// Read a partition again from an offset: [`Answer::Done`].
    Seek {
        /// The partition.
        partition: i32,
        /// The next offset to be read.
        offset: i64,
    },
    /// Find a writer's schema: [`Answer::Done`] when it is settled, for good or ill. If that takes longer, it has
    /// failed, and [`super::Machine::schema_settled`] will be called.
    Resolve(SchemaId),
}

/// What came of a [`Question`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// Everything sent is acknowledged.
    Drained {
        /// The checkpoint records among it: partition and offset.
        checkpoints: Vec<(i32, i64)>,
    },
    /// What the group knows of a partition.
    Committed(Committed),
    /// The first checkpoint record at the offset asked for or after it; none if there is nothing.
    Checkpoint(Option<Box<FoundCheckpoint>>),
    /// It is not done.
    Failed(Trouble),
}

/// Why something was not done, by what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The same again.
    Retry(String),
    /// Giving it up: an abort, if a transaction is open.
    Abort(String),
    /// A new producer.
    Fenced(String),
}

impl Trouble {
    /// What has happened.
    pub fn into_reason(self) -> String {
        match self {
            Self::Retry(why) | Self::Abort(why) | Self::Fenced(why) => why,
        }
    }
}

/// What is known of a partition when it is to be taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The group's offset and its metadata; none if it has never committed one, or it has expired.
    pub offset: Option<(i64, String)>,
    /// The first offset that the log still has.
    pub log_start: i64,
    /// The offset that the log's next record will have.
    pub log_end: i64,
    /// Whether the topic of checkpoints has any record for it, or why that is not known; only asked when there is no
    /// offset.
    pub has_checkpoint: Result<bool, String>,
}

/// A checkpoint record and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCheckpoint {
    /// Where it lies.
    pub offset: i64,
    /// What it says.
    pub checkpoint: PartitionCheckpoint,
}

/// Where a partition will be taken up again, by whomsoever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitPoint {
    /// The partition.
    pub partition: i32,
    /// Its oldest record that an open window is made of, or else the next one to be read.
    pub offset: i64,
    /// What goes with it.
    pub metadata: Metadata,
}

/// A record to be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A farm's window has closed.
    FarmWindow(Box<Closed<FarmWindow>>),
    /// A turbine's window has closed.
    TurbineWindow(Box<Closed<TurbineWindow>>),
    /// A reading came after its window had closed.
    Late {
        /// How long after.
        by_ms: i64,
        /// Which window that was.
        window_start: Timestamp,
        /// The record.
        original: Original,
    },
    /// A record was refused.
    DeadLetter {
        /// Why.
        rejection: Box<Rejection>,
        /// The record.
        original: Original,
    },
    /// What outlives the windows has changed.
    Checkpoint(PartitionCheckpoint),
}

/// A record as it came, of the partition that it is sent for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its offset.
    pub offset: i64,
    /// When the broker appended it.
    pub appended_at: Timestamp,
    /// Its key.
    pub key: Option<Box<[u8]>>,
    /// Its value.
    pub payload: Option<Box<[u8]>>,
}
