//! The state machine against a small Kafka: scripts, and crashes anywhere.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod oracle;
mod properties;
mod scripts;
mod world;
