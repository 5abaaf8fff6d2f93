//! Readings on Kafka to exact event-time windows on Kafka, exactly once. [`machine`] decides, the shell carries out:
//! stream threads, each a member of the consumer group with a transactional producer of its own.

mod args;
pub mod machine;
mod shell;

pub use args::{Args, Command, GroupArgs, GroupProtocol, MANAGEMENT_PORT, WindowArgs};
pub use shell::{consumer_config, run};
