//! Readings that come over HTTP: what a body holds, what of it is taken, and what is refused and why.

mod body;
mod json;
mod sorted;

pub use body::split;
pub use json::{NewReading, NewReadings, reading_of};
pub use sorted::{Rejected, sort};

/// A single reading larger than this is none, bytes. It keeps what is refused small enough for Kafka.
pub const MAX_READING_BYTES: usize = 256 * 1024;
