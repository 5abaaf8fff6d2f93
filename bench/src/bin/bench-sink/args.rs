//! What can be asked for.

use clap::ValueEnum;

/// Rows per second of the sink against psql's \copy of the same rows into the same table.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo xtask bench sink")]
pub(crate) struct Args {
    /// Readings of the backlog (at least 1000)
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(crate) readings: u64,

    /// Readings of the comparisons of the sink with itself, at most those of the backlog
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(crate) part_readings: u64,

    /// Partitions of the topic
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) partitions: u64,

    /// Turbines of the backlog
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) turbines: u64,

    /// How often everything is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: u64,

    /// Only these comparisons
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Comparison>,

    /// A small backlog once: whether it runs, not how fast
    #[arg(long)]
    pub(crate) quick: bool,

    /// Further arguments of the sink, as one text
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub(crate) sink_args: String,
}

/// What is compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Comparison {
    /// One thread with \copy
    Copy,
    /// Two threads with two \copy at once
    Threads,
    /// A stream with 5 % duplicates with one without
    Duplicates,
    /// 10 turbines with 10,000
    Turbines,
    /// A lone reading's time until it is seen with what it should be at most
    Latency,
}

impl Args {
    /// With what `--quick` means, and nothing that contradicts itself.
    pub(crate) fn checked(mut self) -> Self {
        if self.quick {
            self.readings = 200_000;
            self.rounds = 1;
        }
        self.part_readings = self.part_readings.min(self.readings);
        if self.only.is_empty() {
            self.only = Comparison::value_variants().to_vec();
        }
        self
    }
}
