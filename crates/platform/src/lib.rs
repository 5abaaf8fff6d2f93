//! What every program needs and none should write twice: Kafka settings and topics, the one intake rule that the
//! aggregator and the sink share, dead letters, telemetry, the health and metrics server, and a clean stop.
#![warn(missing_docs)]

pub mod dead_letter;
pub mod duration;
pub mod fail_point;
pub mod group;
mod health;
pub mod intake;
pub mod json;
mod kafka;
pub mod management;
pub mod program;
mod registry;
pub mod shutdown;
pub mod telemetry;
pub mod topics;

pub use dead_letter::{DeadLetter, DeadLetterId, LateReading, Rejection, Source};
pub use health::{Health, HealthHandle};
pub use kafka::KafkaArgs;
pub use management::ManagementArgs;
pub use registry::RegistryArgs;
pub use telemetry::LogArgs;
pub use topics::Topics;
