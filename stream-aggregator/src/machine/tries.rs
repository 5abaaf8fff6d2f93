//! What is tried again and again, and not for ever.

/// How often a partition's checkpoint is looked for where the metadata says it is. It may be missed for a moment: when
/// somebody else has committed since the metadata was read, or when a new leader does not yet show its newest records.
pub(super) const CHECKPOINT_TRIES: u32 = 100;

/// How often a partition is sought before it is given up: as long as new leaders take to be found.
pub(super) const POSITION_TRIES: u32 = 50;

/// What has been tried in vain since something of a partition was last read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// To read its checkpoint.
    pub(super) checkpoint: u32,
    /// To read it from the committed offset on.
    pub(super) position: u32,
}
