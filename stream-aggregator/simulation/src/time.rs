//! The simulation's time: milliseconds since it began.

use domain::Timestamp;

/// Milliseconds since the simulation began, or between two moments of it.
pub type Ms = i64;

/// When it begins, by the broker's clock: the start of a window of any usual size.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// A moment by the broker's clock.
pub const fn at(ms: Ms) -> Timestamp {
    Timestamp::from_millis(EPOCH_MS + ms)
}

/// The moment back in milliseconds.
pub const fn since_begin(time: Timestamp) -> Ms {
    time.as_millis() - EPOCH_MS
}
