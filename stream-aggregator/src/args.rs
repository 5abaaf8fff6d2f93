//! What can be set, and whether it makes sense.

use std::fmt;
use std::time::Duration;

use domain::{Limits, TimeDelta};
use platform::program::UsageError;
use platform::{KafkaArgs, LogArgs, ManagementArgs, RegistryArgs, duration};
use windowing::WindowConfig;

/// The port of health and metrics.
pub const MANAGEMENT_PORT: u16 = 9102;

/// Readings on Kafka to exact event-time windows on Kafka, exactly once.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "stream-aggregator", version, about)]
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
    /// Windows.
    #[command(flatten)]
    pub windows: WindowArgs,
    /// Group, threads and transactions.
    #[command(flatten)]
    pub group: GroupArgs,
}

/// What to do instead of running.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Command {
    /// Ask the running program on this machine whether it is ready; exit code 0 if it is, 1 with the reason if not
    Healthcheck,
}

/// When windows close, and what is refused.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Windows")]
pub struct WindowArgs {
    /// Length of a window (100ms to 1d); windows are aligned to the Unix epoch
    #[arg(long, env = "WINDOW_SIZE", default_value = "60s", value_parser = duration::parse)]
    pub window_size: Duration,

    /// How long after its end a window still waits for readings that come out of order (0s to 1d); more of it makes
    /// fewer readings late, and every window later
    #[arg(long, env = "GRACE", default_value = "10s", value_parser = duration::parse)]
    pub grace: Duration,

    /// For how long a farm must send nothing until its windows close by the broker's clock (100ms to 1d)
    #[arg(long, env = "IDLE_AFTER", default_value = "5s", value_parser = duration::parse)]
    pub idle_after: Duration,

    /// How far an event time may be ahead of the broker's clock (0s to 1d); readings beyond are dead letters
    #[arg(long, env = "EVENT_TIME_AHEAD", default_value = "30s", value_parser = duration::parse)]
    pub event_time_ahead: Duration,
}

/// How the work is shared, and how often it is committed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Group and transactions")]
pub struct GroupArgs {
    /// Stream threads, each a member of the group with a transactional producer of its own (1 to 256); more than
    /// there are partitions are idle
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,

    /// Consumer group, whose members share the partitions; by default the topic prefix and `stream-aggregator`
    #[arg(long, env = "GROUP_ID")]
    pub group_id: Option<String>,

    /// Name of this process within the group, stable over restarts, so that a restart within the session timeout
    /// takes its partitions up at once; no two processes may share it, and one that does not come back is waited for as
    /// long. Random by default
    #[arg(long, env = "INSTANCE_ID")]
    pub instance_id: Option<String>,

    /// The longest time until what was processed is committed (10ms to 1m); a closed window is committed at once
    #[arg(long, env = "COMMIT_INTERVAL", default_value = "1s", value_parser = duration::parse)]
    pub commit_interval: Duration,

    /// After how long the broker aborts the transaction of a member that has died (1s to 15m), for which readers of
    /// the results have to wait; a member that is merely slow must not take that long
    #[arg(long, env = "TRANSACTION_TIMEOUT", default_value = "10s", value_parser = duration::parse)]
    pub transaction_timeout: Duration,

    /// After how long without a heartbeat a member's partitions go to others (1s to 30m); of no effect with
    /// `--group-protocol consumer`, where the broker sets it
    #[arg(long, env = "SESSION_TIMEOUT", default_value = "10s", value_parser = duration::parse)]
    pub session_timeout: Duration,

    /// How the partitions are shared: `classic` works with every broker, `consumer` (KIP-848, Kafka 4) leaves it to the
    /// broker, whose group.consumer.* settings say how soon a hand-over or a death is noticed (5 s and 45 s by default),
    /// and which refuses the --instance-id of a process that was killed until its session has run out
    #[arg(long, env = "GROUP_PROTOCOL", value_enum, default_value_t = GroupProtocol::Classic)]
    pub group_protocol: GroupProtocol,
}

/// Kafka's two ways to share partitions among the members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GroupProtocol {
    /// The members agree (cooperative-sticky).
    Classic,
    /// The broker decides (KIP-848).
    Consumer,
}

impl fmt::Display for GroupProtocol {
    /// As it is told on the command line, and to Kafka's client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        })
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl Args {
    /// Whether the settings can work.
    ///
    /// # Errors
    /// [`UsageError`] with the flag, its value and the bound.
    pub fn check(&self) -> Result<(), UsageError> {
        let (windows, group) = (&self.windows, &self.group);
        let ms = Duration::from_millis;
        within("--window-size", windows.window_size, ms(100), DAY)?;
        within("--grace", windows.grace, Duration::ZERO, DAY)?;
        within("--idle-after", windows.idle_after, ms(100), DAY)?;
        within(
            "--event-time-ahead",
            windows.event_time_ahead,
            Duration::ZERO,
            DAY,
        )?;
        within("--commit-interval", group.commit_interval, ms(10), ms(60_000))?;
        within(
            "--transaction-timeout",
            group.transaction_timeout,
            ms(1_000),
            ms(900_000),
        )?;
        within(
            "--session-timeout",
            group.session_timeout,
            ms(1_000),
            ms(1_800_000),
        )?;
        if group.commit_interval * 2 > group.transaction_timeout {
            return Err(UsageError(format!(
                "--transaction-timeout is {:?}, at least twice --commit-interval ({:?}) is wanted",
                group.transaction_timeout, group.commit_interval
            )));
        }
        Ok(())
    }

    /// The consumer group.
    pub fn group_id(&self) -> String {
        self.group
            .group_id
            .clone()
            .unwrap_or_else(|| format!("{}stream-aggregator", self.kafka.topic_prefix))
    }
}

impl WindowArgs {
    /// As the windows want it.
    ///
    /// # Errors
    /// [`UsageError`] when windows cannot be like that.
    pub fn config(&self) -> Result<WindowConfig, UsageError> {
        WindowConfig::new(self.window_size.into(), self.grace.into(), self.idle_after.into())
            .map_err(|error| UsageError(error.to_string()))
    }

    /// As the rules want it.
    pub fn limits(&self) -> Limits {
        Limits {
            event_time_ahead: TimeDelta::from(self.event_time_ahead),
        }
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

    fn check(args: &[&str]) -> Result<(), String> {
        let args = Args::try_parse_from([&["stream-aggregator"], args].concat())
            .map_err(|error| error.to_string())?;
        args.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let args = Args::parse_from(["stream-aggregator"]);
        args.check().unwrap();
        assert_eq!(args.windows.config().unwrap().size(), TimeDelta::from_secs(60));
        assert_eq!(args.windows.limits(), Limits::default());
        assert_eq!(args.group_id(), "windfarm.stream-aggregator");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_bound() {
        assert_eq!(
            check(&["--window-size", "50ms"]).unwrap_err(),
            "--window-size is 50ms, 100ms to 86400s is wanted"
        );
        assert_eq!(
            check(&["--commit-interval", "6s"]).unwrap_err(),
            "--transaction-timeout is 10s, at least twice --commit-interval (6s) is wanted"
        );
        assert!(
            check(&["--grace", "soon"])
                .unwrap_err()
                .contains("a duration such as 500ms")
        );
        assert!(
            check(&["--grace=-1s"])
                .unwrap_err()
                .contains("cannot be negative")
        );
        assert!(check(&["--threads", "0"]).is_err());
    }
}
