//! What the farms of a partition keep together.

use std::collections::BTreeSet;

use crate::{ClosedWindow, Offset};

/// Which records are still needed, and what has come of windows since last asked.
#[derive(Debug, Default)]
pub(crate) struct Register {
    /// The first record of every open window and of every note. No record is the first of two.
    pub(crate) first_offsets: BTreeSet<Offset>,
    /// How many windows are open.
    pub(crate) open_windows: usize,
    /// Closed, and not handed out yet.
    pub(crate) closed: Vec<ClosedWindow>,
    /// Whether the `closed_until` of any farm has moved.
    pub(crate) closed_until_changed: bool,
    /// Whether what was open is being built again. Until that is done nothing closes, so that what was counted once
    /// is counted again, be the settings the same or others.
    pub(crate) is_replaying: bool,
}
