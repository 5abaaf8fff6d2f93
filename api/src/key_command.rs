//! `api key create|list|revoke`: keys without a running API.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use domain::FarmId;
use jiff::{Span, SpanRelativeTo, Timestamp};
use sqlx::{Connection, PgConnection};

use crate::args::DatabaseArgs;
use crate::auth::{Scope, Secret};
use crate::queries::keys::{self, NewKey, StoredKey};

/// What to do with keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum KeyCommand {
    /// Create a key and print it, once and never again
    Create(CreateArgs),
    /// List all keys, without the keys themselves
    List,
    /// Take a key back; running APIs know within ten seconds
    Revoke {
        /// Its number, as listed
        id: i64,
    },
}

/// A key that is to be created.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// What it is called
    #[arg(long)]
    pub name: String,

    /// What it is good for: read, write, admin, with commas between them; admin may do everything
    #[arg(long, value_delimiter = ',', required = true)]
    pub scopes: Vec<Scope>,

    /// The only farms that it opens, with commas between them; all by default
    #[arg(long, value_delimiter = ',')]
    pub farms: Option<Vec<FarmId>>,

    /// How long it is good for, such as 90d or 12h; for ever by default
    #[arg(long, value_parser = lifetime)]
    pub expires_in: Option<Duration>,
}

impl KeyCommand {
    /// Does it, and prints what there is to know.
    ///
    /// # Errors
    /// When the database is away or refuses, or there is no key of that number.
    pub async fn run(self, database: &DatabaseArgs) -> anyhow::Result<()> {
        let mut database = PgConnection::connect_with(&database.options()?)
            .await
            .context("connecting to the database")?;
        match self {
            Self::Create(args) => create(&mut database, &args).await,
            Self::List => list(&mut database).await,
            Self::Revoke { id } => revoke(&mut database, id).await,
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the key goes to standard output, for scripts to take"
)]
async fn create(database: &mut PgConnection, args: &CreateArgs) -> anyhow::Result<()> {
    let secret = Secret::random();
    let key = NewKey {
        name: &args.name,
        hash: secret.hash(),
        scopes: &args.scopes,
        farms: args.farms.as_deref(),
        expires_at: args.expires_in.map(|lifetime| SystemTime::now() + lifetime),
    };
    let id = keys::create(database, &key).await.context("storing the key")?;
    eprintln!(
        "key {id} '{}' created; this is the only time that it is shown:",
        args.name
    );
    println!("{}", secret.reveal());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the list is what was asked for")]
async fn list(database: &mut PgConnection) -> anyhow::Result<()> {
    let keys = keys::list(database).await.context("reading the keys")?;
    println!("ID\tNAME\tSCOPES\tFARMS\tSTATE\tCREATED\tEXPIRES\tLAST USED");
    for key in keys {
        println!("{}", row(&key));
    }
    Ok(())
}

async fn revoke(database: &mut PgConnection, id: i64) -> anyhow::Result<()> {
    if !keys::revoke(database, id).await.context("revoking the key")? {
        bail!("there is no key {id}");
    }
    eprintln!("key {id} is revoked; running APIs know within ten seconds");
    Ok(())
}

fn row(key: &StoredKey) -> String {
    let scopes: Vec<_> = key.caller.scopes.iter().map(|scope| scope.as_str()).collect();
    let farms = match &key.caller.farms {
        Some(farms) => farms.iter().map(FarmId::as_str).collect::<Vec<_>>().join(","),
        None => "all".to_owned(),
    };
    let state = match (key.revoked_at, key.is_valid_now()) {
        (Some(_), _) => "revoked",
        (None, true) => "valid",
        (None, false) => "expired",
    };
    [
        key.caller.key_id.to_string(),
        key.name.clone(),
        scopes.join(","),
        farms,
        state.to_owned(),
        shown(Some(key.created_at)),
        shown(key.expires_at),
        shown(key.last_used_at),
    ]
    .join("\t")
}

/// To the second; `-` for never.
fn shown(time: Option<SystemTime>) -> String {
    let time = time.and_then(|time| Timestamp::try_from(time).ok());
    time.map_or_else(
        || "-".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let wanted = || "a duration such as 90d or 12h is wanted".to_owned();
    let span: Span = text.parse().map_err(|_| wanted())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wanted())?;
    let duration = Duration::try_from(duration).map_err(|_| wanted())?;
    // further than that no calendar goes
    if duration.is_zero() || duration > Duration::from_secs(100 * 366 * 86_400) {
        return Err("a duration of up to 100 years is wanted".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_may_be_told_in_days() {
        assert_eq!(lifetime("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(lifetime("12h"), Ok(Duration::from_secs(12 * 3_600)));
        for bad in ["", "soon", "-1d", "0s", "9000000d"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
