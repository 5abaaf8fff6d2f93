//! What could be done wrong, so that it is seen that the judge would notice.

use std::fmt;

/// One way to do it wrong. The state machine knows nothing of it: the process round it twists what the one asks and
/// what the other answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mistake {
    /// Partitions are let go without a commit or an abort; what was sent goes with the next transaction.
    NoCommitAtRevoke,
    /// Partitions are let go before what was done about them is committed.
    LetGoBeforeCommit,
    /// Partitions are taken up while a transaction is open.
    WaitsWithTransactionOpen,
    /// What has closed is not remembered beyond its window.
    NoCheckpoint,
    /// The checkpoint is the newest one that readers of committed records see just now.
    StableCheckpoint,
    /// The checkpoint is the newest one, whatever becomes of its transaction.
    NewestCheckpoint,
    /// Transactions hold no offsets.
    NoOffsets,
    /// Offsets are committed beside the transaction.
    OffsetsBeside,
    /// Transactions hold the offsets of one partition only.
    OffsetsOfOnePartition,
    /// Transactions hold only offsets that have moved.
    OffsetsThatMoved,
    /// The position is committed, and not where the oldest open window begins.
    PositionAsOffset,
    /// A rejected reading that a window counts does not keep its offset.
    RejectedDoNotCount,
    /// How far side effects have come is not remembered.
    ForgetsProcessed,
    /// A group's offset is read without waiting for a pending transaction.
    UnstableOffset,
    /// After an abort the partition is not read again.
    NoSeek,
    /// A record that comes again is taken for a new one.
    TakesRedeliveries,
    /// A pause outlives the assignment.
    PauseSurvives,
    /// Offsets go with no name and no generation, so that nobody can refuse them.
    NoFence,
    /// A client whose partitions are lost sends offsets all the same, and is in no group by then.
    NotLookingWhetherLost,
    /// Records that were not acknowledged are taken for sent.
    IgnoresDeliveries,
    /// A transaction whose offsets were refused is taken for committed.
    IgnoresRefusals,
    /// Log time runs on by itself though there is more to read.
    TimeRunsInBacklog,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NoCommitAtRevoke,
        Self::LetGoBeforeCommit,
        Self::WaitsWithTransactionOpen,
        Self::NoCheckpoint,
        Self::StableCheckpoint,
        Self::NewestCheckpoint,
        Self::NoOffsets,
        Self::OffsetsBeside,
        Self::OffsetsOfOnePartition,
        Self::OffsetsThatMoved,
        Self::PositionAsOffset,
        Self::RejectedDoNotCount,
        Self::ForgetsProcessed,
        Self::UnstableOffset,
        Self::NoSeek,
        Self::TakesRedeliveries,
        Self::PauseSurvives,
        Self::NoFence,
        Self::NotLookingWhetherLost,
        Self::IgnoresDeliveries,
        Self::IgnoresRefusals,
        Self::TimeRunsInBacklog,
    ];

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mistake| mistake.to_string() == name)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
