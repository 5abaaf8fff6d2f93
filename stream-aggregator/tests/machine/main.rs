//! The state machine against a small Kafka: scripts, and crashes anywhere.

mod oracle;
mod properties;
mod scripts;
mod world;
