//! Places in a partition's log.

use std::fmt;

/// The place of a record in its partition's log. The place to read on from is [`Offset::next`], never the record's
/// own: only the type adds the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    /// As Kafka counts it.
    pub const fn new(offset: i64) -> Self {
        Self(offset)
    }

    /// As Kafka counts it.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The place after this record.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
