//! A batch that takes no more: what one transaction stores.

use domain::Timestamp;

use super::{Rows, TurbineSpan};
use crate::lane::Lane;

/// How far a batch moves a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Which one.
    pub lane: Lane,
    /// The next offset by the database, if nobody else has moved it.
    pub expected: i64,
    /// The next offset afterwards.
    pub next: i64,
    /// Records between the two that became rows or marks.
    pub taken: u64,
    /// Records between the two that became nothing.
    pub refused: u64,
    /// When the broker appended the last of them; none if there was none to see.
    pub appended_at: Option<Timestamp>,
}

/// A batch that takes no more. It can be stored again and again until it is: whoever finds its lanes moved knows that it
/// was, or that they are somebody else's.
#[derive(Debug, Clone, Default)]
pub struct Sealed {
    /// The lanes that it moves, in their order.
    pub moves: Vec<Move>,
    /// The rows of the records that it moves them over.
    pub rows: Rows,
    /// The turbines that the rows are of, in the order of ids.
    pub turbines: Vec<TurbineSpan>,
}
