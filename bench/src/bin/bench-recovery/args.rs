//! What can be asked for.

use clap::ValueEnum;

/// How long output stops when processes of the stream-aggregator are killed, end, and start again.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo xtask bench recovery")]
pub(crate) struct Args {
    /// How often each is done
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// Farms with an open window each, for the time until a process that starts again is ready
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) farms: u32,

    /// Only these
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Event>,

    /// One round and few farms: whether it runs, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What happens to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// The only process, which has a name in its group, is killed and started again
    Restart,
    /// One of two processes is told to end
    HandOver,
    /// Three processes are ended and started again, one after the other
    Rolling,
    /// The only process is killed and started again while many farms have an open window
    Farms,
}

impl Args {
    /// With what `--quick` means.
    pub(crate) fn checked(mut self) -> Self {
        if self.quick {
            self.rounds = 1;
            self.farms = self.farms.min(500);
        }
        if self.only.is_empty() {
            self.only = Event::value_variants().to_vec();
        }
        self
    }
}
