//! What can be asked about dead letters.

use domain::{FarmId, Timestamp};
use platform::DeadLetterId;
use platform::program::UsageError;

use crate::store::{LetterFilter, LetterState};

/// What to do with dead letters.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DeadLettersCommand {
    /// List them, newest first
    List(ListArgs),
    /// Show one whole: why it was refused, its bytes, and what today's rules think of it
    Show(ShowArgs),
    /// Send the original bytes back to their topic, each once
    Replay(ReplayArgs),
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which")]
pub struct FilterArgs {
    /// Only this one, as listed: PARTITION-OFFSET; may be repeated
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<DeadLetterId>,

    /// Only of this farm
    #[arg(long)]
    pub farm: Option<FarmId>,

    /// Only by this rule, such as wind_speed_mps or undecodable
    #[arg(long)]
    pub rule: Option<String>,

    /// Only those refused then or later, RFC 3339
    #[arg(long)]
    pub from: Option<Timestamp>,

    /// Only those refused before, RFC 3339
    #[arg(long)]
    pub to: Option<Timestamp>,
}

/// How they are listed.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Which ones.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Only those that are so far: open (not sent again), unconfirmed (perhaps sent again), replayed
    #[arg(long)]
    pub state: Option<LetterState>,

    /// At most so many (1 to 100000)
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Which one is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// As listed: PARTITION-OFFSET
    pub id: DeadLetterId,
}

/// What is sent again.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// Which ones.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// All of them; without it at least one of the above is wanted
    #[arg(long)]
    pub all: bool,

    /// Send nothing, and say what today's rules think of each
    #[arg(long)]
    pub dry_run: bool,

    /// Leave out those that today's rules would refuse again
    #[arg(long)]
    pub only_acceptable: bool,

    /// Send those too that a replay before was about to send when it ended: some may arrive twice
    #[arg(long)]
    pub resend_unconfirmed: bool,
}

impl FilterArgs {
    /// As the database is asked.
    pub fn filter(&self, state: Option<LetterState>) -> LetterFilter {
        LetterFilter {
            ids: self.ids.clone(),
            farm: self.farm.clone(),
            rule: self.rule.clone(),
            from: self.from,
            to: self.to,
            state,
            below: None,
        }
    }
}

impl ReplayArgs {
    /// Whether it is clear what is meant.
    ///
    /// # Errors
    /// [`UsageError`] when nothing says which.
    pub fn check(&self) -> Result<(), UsageError> {
        if self.all == self.filter.filter(None).is_selective() {
            return Err(UsageError(
                "which dead letters? say either --all, or some of --id, --farm, --rule, --from, --to"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        replay: ReplayArgs,
    }

    fn is_clear(arguments: &[&str]) -> bool {
        let typed = Typed::parse_from(std::iter::once("replay").chain(arguments.iter().copied()));
        typed.replay.check().is_ok()
    }

    #[test]
    fn nothing_is_sent_for_want_of_a_word() {
        assert!(!is_clear(&["--dry-run"]));
        assert!(!is_clear(&["--all", "--farm", "north"]));
        assert!(is_clear(&["--all"]));
        assert!(is_clear(&["--farm", "north", "--rule", "wind_speed_mps"]));
        assert!(is_clear(&["--id", "0-1", "--id", "3-42"]));
        assert!(is_clear(&["--from", "2026-11-23T10:00:00Z"]));
    }
}
