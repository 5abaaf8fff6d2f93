//! What can be asked for.

use std::time::Duration;

use clap::ValueEnum;

use crate::scenario::Scenario;

/// Requests per second and times of the API against the floor of the machine and against pgbench.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo xtask bench api")]
pub(crate) struct Args {
    /// Connections at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) connections: u16,

    /// How long one thing is measured in each round, milliseconds
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub(crate) time_ms: u64,

    /// How often everything is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: u64,

    /// Rows of the export
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) export_rows: u64,

    /// Days of windows put together
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(2..=3_650))]
    pub(crate) days: u32,

    /// Turbines of the farm
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) turbines: u32,

    /// Only these requests, and no export
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Scenario>,

    /// A small part once: whether it runs, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Args {
    /// With what `--quick` means.
    pub(crate) fn checked(mut self) -> Self {
        if self.quick {
            self.rounds = 1;
            self.time_ms = 300;
            self.export_rows = 30_000;
            self.days = 30;
        }
        self
    }

    /// The requests that are measured.
    pub(crate) fn scenarios(&self) -> &[Scenario] {
        if self.only.is_empty() {
            Scenario::value_variants()
        } else {
            &self.only
        }
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.time_ms)
    }
}
