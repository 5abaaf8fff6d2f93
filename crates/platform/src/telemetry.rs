//! Logs: for people on a terminal, JSON elsewhere; on standard error, so that standard output stays the program's.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How logs look.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Logs (RUST_LOG sets the level, info by default)")]
pub struct LogArgs {
    /// `human`, `json`, or `auto`: human on a terminal, json elsewhere
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogArgs {
    /// Starts to write logs; a second call changes nothing.
    pub fn init(self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let human = match self.log_format {
            LogFormat::Auto => std::io::stderr().is_terminal(),
            LogFormat::Human => true,
            LogFormat::Json => false,
        };
        // tests start several programs in one process: the first one's format stays
        let _ = if human {
            subscriber.try_init()
        } else {
            subscriber.json().flatten_event(true).try_init()
        };
    }
}
