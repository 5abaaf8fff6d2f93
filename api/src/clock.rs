//! The clock, read in this one place.

use domain::Timestamp;

/// Now. For readings it stands in the place of the broker's clock: it decides only what need not be sent at all.
pub fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}
