//! The way to Kafka: readings and dead letters in, ends of logs out.

mod log_ends;
mod publisher;
mod watch;

pub use log_ends::LogEnds;
pub use publisher::{Interrupted, Publisher, Refused};
pub use watch::watch;
