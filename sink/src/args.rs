//! What can be set, and whether it makes sense.

use std::time::Duration;

use domain::{Limits, TimeDelta};
use platform::program::UsageError;
use platform::{KafkaArgs, LogArgs, ManagementArgs, RegistryArgs, duration};

use crate::batch::BatchLimits;
use crate::dead_letters::DeadLettersCommand;
use crate::retention::{Keep, Retention};

/// Partitions of days that a batch may write into. Each takes a few locks, and a server as it comes out of the box has
/// 6,400 of them for everybody.
const BATCH_DAYS: usize = 128;

/// The port of health and metrics.
pub const MANAGEMENT_PORT: u16 = 9103;

/// Readings, windows and dead letters from Kafka to PostgreSQL, exactly once.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "sink", version, about)]
pub struct Args {
    /// What to do instead of running
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The schema registry.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Health and metrics.
    #[command(flatten)]
    pub management: ManagementArgs,
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
    /// The database and its batches.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How long rows are kept.
    #[command(flatten)]
    pub retention: RetentionArgs,
    /// Group and threads.
    #[command(flatten)]
    pub group: GroupArgs,
    /// What the stream-aggregator must be told alike.
    #[command(flatten)]
    pub shared: SharedArgs,
}

/// What to do instead of running.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Make what is missing of database, roles and tables, and bring them up to date
    Migrate(MigrateArgs),
    /// List dead letters, show them, and send them back to their topics
    DeadLetters {
        /// What to do with them
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Ask the running program on this machine whether it is ready; exit code 0 if it is, 1 with the reason if not
    Healthcheck,
}

/// Who may change the database, and what the roles' passwords are to be.
#[derive(Clone, clap::Args)]
pub struct MigrateArgs {
    /// The database as a superuser, `postgres://user:password@host:port/database`; it is made if it is missing
    #[arg(long, env = "ADMIN_DATABASE_URL", hide_env_values = true)]
    pub admin_url: String,

    /// Password for windfarm_owner; left as it is if none is given
    #[arg(long, env = "WINDFARM_OWNER_PASSWORD", hide_env_values = true)]
    pub owner_password: Option<String>,

    /// Password for windfarm_sink; left as it is if none is given
    #[arg(long, env = "WINDFARM_SINK_PASSWORD", hide_env_values = true)]
    pub sink_password: Option<String>,

    /// Password for windfarm_api; left as it is if none is given
    #[arg(long, env = "WINDFARM_API_PASSWORD", hide_env_values = true)]
    pub api_password: Option<String>,
}

/// The database and its batches.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The database as the role windfarm_sink
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "postgres://windfarm_sink@localhost:5432/windfarm",
        hide_env_values = true
    )]
    pub database_url: String,

    /// Rows after which a batch is stored (1 to 1000000)
    #[arg(long, env = "BATCH_ROWS", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub batch_rows: u64,

    /// Size of its rows after which a batch is stored, bytes (1 to 1073741824); one more fills meanwhile, and rows are
    /// sorted, so a thread takes three times as much memory
    #[arg(long, env = "BATCH_BYTES", default_value_t = 25_165_824, value_parser = clap::value_parser!(u64).range(1..=1_073_741_824))]
    pub batch_bytes: u64,

    /// How long the first row of a batch waits for more (0s to 1m): what a row takes to be seen
    #[arg(long, env = "BATCH_AGE", default_value = "100ms", value_parser = duration::parse)]
    pub batch_age: Duration,
}

/// How long rows are kept.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionArgs {
    /// How long readings are kept after the day (UTC) of their event time, such as 90d; then the day is dropped whole,
    /// and a reading that comes later still is a dead letter
    #[arg(long, env = "RAW_RETENTION", default_value = "keep")]
    pub raw_retention: Keep,

    /// The same for windows, which no reading changes any more once its day is gone
    #[arg(long, env = "WINDOW_RETENTION", default_value = "keep")]
    pub window_retention: Keep,

    /// The same for windows that minutes were put together to (ten minutes, hours): months are dropped whole, and never
    /// before their minutes
    #[arg(long, env = "ROLL_UP_RETENTION", default_value = "keep")]
    pub roll_up_retention: Keep,
}

/// How the work is shared.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Group and threads")]
pub struct GroupArgs {
    /// Threads that store readings, each a member of the group with a database connection of its own (1 to 256); one more
    /// stores what is made of them: windows, late readings and dead letters
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,

    /// Consumer group, whose members share the partitions; by default the topic prefix and `sink`
    #[arg(long, env = "GROUP_ID")]
    pub group_id: Option<String>,

    /// Name of this process within the group, stable over restarts, so that a restart within the session timeout
    /// takes its partitions up at once; no two processes may share it. Random by default
    #[arg(long, env = "INSTANCE_ID")]
    pub instance_id: Option<String>,

    /// After how long without a heartbeat a member's partitions go to others (1s to 30m)
    #[arg(long, env = "SESSION_TIMEOUT", default_value = "10s", value_parser = duration::parse)]
    pub session_timeout: Duration,
}

/// What the stream-aggregator must be told alike.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "As the stream-aggregator has them")]
pub struct SharedArgs {
    /// Length of a window (100ms to 1d): of those that only late readings make
    #[arg(long, env = "WINDOW_SIZE", default_value = "60s", value_parser = duration::parse)]
    pub window_size: Duration,

    /// How far an event time may be ahead of the broker's clock (0s to 1d); readings beyond are dead letters
    #[arg(long, env = "EVENT_TIME_AHEAD", default_value = "30s", value_parser = duration::parse)]
    pub event_time_ahead: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Args {
    /// Whether the settings can work.
    ///
    /// # Errors
    /// [`UsageError`] with the flag, its value and the bound.
    pub fn check(&self) -> Result<(), UsageError> {
        let ms = Duration::from_millis;
        within("--batch-age", self.database.batch_age, Duration::ZERO, ms(60_000))?;
        within(
            "--session-timeout",
            self.group.session_timeout,
            ms(1_000),
            ms(1_800_000),
        )?;
        within("--window-size", self.shared.window_size, ms(100), DAY)?;
        within(
            "--event-time-ahead",
            self.shared.event_time_ahead,
            Duration::ZERO,
            DAY,
        )
    }

    /// The consumer group.
    pub fn group_id(&self) -> String {
        self.group
            .group_id
            .clone()
            .unwrap_or_else(|| format!("{}sink", self.kafka.topic_prefix))
    }
}

impl DatabaseArgs {
    /// When a batch is full.
    pub fn limits(&self) -> BatchLimits {
        BatchLimits {
            rows: self.batch_rows,
            bytes: usize::try_from(self.batch_bytes).unwrap_or(usize::MAX),
            days: BATCH_DAYS,
            age: self.batch_age,
        }
    }
}

impl RetentionArgs {
    /// How long days are kept.
    pub const fn retention(self) -> Retention {
        Retention {
            raw: self.raw_retention,
            windows: self.window_retention,
        }
    }
}

impl SharedArgs {
    /// What may be set about the rules.
    pub fn limits(&self) -> Limits {
        Limits {
            event_time_ahead: TimeDelta::from(self.event_time_ahead),
        }
    }
}

impl std::fmt::Debug for DatabaseArgs {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseArgs")
            .field("limits", &self.limits())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MigrateArgs {
    /// Without address and passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MigrateArgs").finish_non_exhaustive()
    }
}

fn within(flag: &str, value: Duration, least: Duration, most: Duration) -> Result<(), UsageError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(UsageError(format!(
            "{flag} is {value:?}, {least:?} to {most:?} is wanted"
        )))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let args = Args::parse_from(["sink"]);
        args.check().unwrap();
        assert_eq!(args.shared.limits(), Limits::default());
        assert_eq!(args.group_id(), "windfarm.sink");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_bound() {
        let args = Args::parse_from(["sink", "--batch-age", "61s"]);
        assert_eq!(
            args.check().unwrap_err().to_string(),
            "--batch-age is 61s, 0ns to 60s is wanted"
        );
        assert!(Args::try_parse_from(["sink", "--threads", "0"]).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let args = Args::parse_from(["sink", "--database-url", "postgres://u:hunter2@h/d"]);
        assert!(!format!("{args:?}").contains("hunter2"));
    }
}
