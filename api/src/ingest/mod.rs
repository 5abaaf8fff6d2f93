//! Readings that come over HTTP: what a body holds, what of it is taken, and what is refused and why.

mod body;
mod json;
mod repeats;
mod sorted;
mod unpack;

use domain::Limits;

use crate::kafka::Publisher;

pub use platform::json::MAX_READING_BYTES;

pub use body::split;
pub use json::{NewReading, NewReadings};
pub use repeats::{Fingerprint, Found, Memory, Repeats, RequestName};
pub use sorted::{Rejected, Sorted, sort};
pub use unpack::Unpacker;

/// What every way in needs.
#[derive(Clone)]
pub struct Ingest {
    /// The way to Kafka.
    pub publisher: Publisher,
    /// What may be set about the rules.
    pub limits: Limits,
    /// The most readings of one request.
    pub most_readings: usize,
    /// Requests that may come again.
    pub repeats: Repeats,
}
