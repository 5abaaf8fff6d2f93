//! What verify can be told.

use std::time::Duration;

use platform::{KafkaArgs, RegistryArgs, duration};

/// Reconciles Kafka with PostgreSQL; exit code 1 on any difference.
#[derive(Clone, clap::Parser)]
#[command(name = "verify", version, about)]
pub struct Args {
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: KafkaArgs,

    /// Where the schema registry is.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// The database, as a role that may read all of it
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "postgres://windfarm_owner@localhost:5432/windfarm",
        hide_env_values = true
    )]
    pub database_url: String,

    /// Length of a window, as the stream-aggregator has it
    #[arg(long, env = "WINDOW_SIZE", default_value = "60s", value_parser = duration::parse)]
    pub window_size: Duration,

    /// How long after its end a window still waits for readings, as the stream-aggregator has it
    #[arg(long, env = "GRACE", default_value = "10s", value_parser = duration::parse)]
    pub grace: Duration,

    /// How long what is on its way may take to arrive before it counts as a difference
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    pub wait: Duration,
}

impl std::fmt::Debug for Args {
    /// Without the database's address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args")
            .field("kafka", &self.kafka)
            .field("registry", &self.registry)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
