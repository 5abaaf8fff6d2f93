//! What can be asked for.

use std::time::Duration;

use clap::ValueEnum;

/// Insert rate, size and the API's queries for candidate keys and indexes.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo xtask bench storage")]
pub(crate) struct Args {
    /// Hours of readings of the large installation (0.1 to 24; 5,000 turbines, every minute: 300,000 readings an hour,
    /// and some 2 GB of disk for each candidate's day)
    #[arg(long, default_value_t = 24.0)]
    pub(crate) hours: f64,

    /// How often a question is asked at most, of different turbines
    #[arg(long, default_value_t = 200)]
    pub(crate) questions: usize,

    /// How long one kind of question is asked at most, milliseconds: a slow candidate is asked less often
    #[arg(long, default_value_t = 2_000)]
    pub(crate) patience_ms: u64,

    /// Rows of a transaction, as the sink's
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    pub(crate) batch_rows: i64,

    /// Only these tables
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Subject>,

    /// A small part: whether it runs, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What candidates are compared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The table of readings
    Readings,
    /// The tables of windows
    Windows,
}

impl Args {
    pub(crate) fn wants(&self, subject: Subject) -> bool {
        self.only.is_empty() || self.only.contains(&subject)
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }
}
