//! `sink dead-letters list|show|replay`: what was refused, and its way back.

mod args;
mod judge;
mod print;
mod replay;

use std::io::Write;
use std::str::FromStr;

use anyhow::bail;
use avro::Registry;
use platform::program::UsageError;
use sqlx::postgres::PgConnectOptions;

pub use args::{DeadLettersCommand, FilterArgs, ListArgs, ReplayArgs, ShowArgs};
pub use replay::Outcome;

use crate::Args;
use crate::retention::Kept;
use crate::store::{LetterFilter, Quarantine};
use crate::time;
use judge::Judge;
use replay::Replay;

/// Does it, and prints to `out` what there is to know.
///
/// # Errors
/// When the database, Kafka or the registry is away, there is no such letter, or not all that was to be sent again has
/// certainly arrived.
pub async fn run(args: &Args, command: &DeadLettersCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        DeadLettersCommand::List(list) => {
            let filter = list.filter.filter(list.state);
            let letters = quarantine(args).await?.newest(&filter, list.limit).await?;
            if list.json {
                print::json(out, &letters);
            } else {
                print::list(out, &letters);
            }
            Ok(())
        }
        DeadLettersCommand::Show(show) => self::show(args, show, out).await,
        DeadLettersCommand::Replay(replay) => {
            let outcome = self::replay(args, replay, out).await?;
            if outcome.failed + outcome.unconfirmed > 0 && !replay.dry_run {
                bail!(
                    "{} dead letters were not sent again, {} perhaps; the latter are sent with --resend-unconfirmed",
                    outcome.failed,
                    outcome.unconfirmed
                );
            }
            Ok(())
        }
    }
}

/// Sends dead letters again, or says what would become of them.
///
/// # Errors
/// When nothing says which, when the database, Kafka or the registry is away, or when somebody else is at it.
pub async fn replay(args: &Args, replay: &ReplayArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    replay.check()?;
    let mut quarantine = quarantine(args).await?;
    let kept = quarantine.kept().await?;
    let replay = Replay {
        args: replay,
        quarantine,
        judge: judge(args, args.registry.registry()?, kept),
        out,
    };
    replay.run(&args.kafka).await
}

async fn show(args: &Args, show: &ShowArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let filter = LetterFilter {
        ids: vec![show.id],
        ..LetterFilter::default()
    };
    let mut quarantine = quarantine(args).await?;
    let found = quarantine.after(&filter, None, 1).await?;
    let Some(letter) = found.first() else {
        bail!("there is no dead letter {}", show.id);
    };
    let registry = args.registry.registry()?.with_patience(crate::REGISTRY_PATIENCE);
    let mut judge = judge(args, registry, quarantine.kept().await?);
    let verdict = match judge.verdict(letter, time::now()).await {
        Ok(verdict) => verdict.to_string(),
        Err(error) => format!("nobody knows: {error:#}"),
    };
    print::whole(out, letter, judge.reading(letter).as_ref(), &verdict);
    Ok(())
}

async fn quarantine(args: &Args) -> anyhow::Result<Quarantine> {
    let options = PgConnectOptions::from_str(&args.database.database_url)
        .map_err(|error| UsageError(format!("--database-url: {error}")))?;
    Ok(Quarantine::open(&options.application_name("sink-dead-letters")).await?)
}

fn judge(args: &Args, registry: Registry, kept: Kept) -> Judge {
    Judge::new(registry, args.shared.limits(), kept, args.kafka.topics())
}
