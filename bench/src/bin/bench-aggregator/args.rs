//! What can be asked for.

use clap::ValueEnum;

/// Readings per second and per CPU second of the aggregator, against reading the topic alone and against its peers.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo xtask bench aggregator")]
pub(crate) struct Args {
    /// What this program is to the benchmark, if not the benchmark itself
    #[command(subcommand)]
    pub(crate) part: Option<Part>,

    /// Readings of the topic (at least 1000): 60 farms with 20 turbines each, one reading a second
    #[arg(long, default_value_t = 6_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(crate) readings: u64,

    /// Readings of the topics of few and many farms, at most those of the large one
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(crate) part_readings: u64,

    /// Partitions of the topic
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) partitions: u64,

    /// How often everything is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: u64,

    /// Only these comparisons
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Comparison>,

    /// A small topic once: whether it runs, not how fast
    #[arg(long)]
    pub(crate) quick: bool,

    /// Further arguments of the aggregator, as one text
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub(crate) aggregator_args: String,
}

/// A process that the benchmark starts of its own program.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub(crate) enum Part {
    /// Read the topic to its end and count
    #[command(hide = true)]
    Drain {
        /// Consumers, each on a thread of its own
        #[arg(long)]
        threads: u16,
    },
}

/// What is compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Comparison {
    /// The whole program with the same consumer that only counts, on one thread and on two
    Drain,
    /// The whole program with Kafka Streams doing the same, on two threads
    Peers,
    /// Few farms and turbines with many of either, on one thread
    Scaling,
    /// Readings that come live, 10,000 a second: from the reading that closes a window to that window's reader
    Latency,
}

impl Args {
    /// With what `--quick` means.
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
