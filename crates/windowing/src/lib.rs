//! Event-time tumbling windows of the farms of one partition, as a pure state machine: records and log time go in,
//! closed windows come out. [`PartitionWindows`] says how to drive it.
//!
//! The words: a farm's *stream time* is the highest event time among its readings, but not beyond the broker's clock
//! on the word of one turbine alone; *log time* is the append time of
//! the last record read; a window *closes* when stream time has passed its end by *grace*; a reading is *late* when
//! its window has closed.
//!
//! **Invariant.** This crate does no I/O, reads no clock and cannot fail: the same log gives the same windows, and a
//! restart anywhere gives the same windows from there on.
#![warn(missing_docs, clippy::iter_over_hash_type)]

mod clock;
mod config;
mod due;
mod farm;
mod notes;
mod offset;
mod open;
mod partition;
mod record;
mod register;

pub use config::{WindowConfig, WindowConfigError};
pub use offset::Offset;
pub use partition::PartitionWindows;
pub use record::{ClosedWindow, Observed, Outcome, Rejected};
