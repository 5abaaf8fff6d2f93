//! The state machine against a simulated Kafka: single cases, traps that were met on a real broker, and seeds.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod cases;
mod seeds;
mod stage;
mod traps;
