//! `api key create|list|rotate|revoke|log`: keys without a running API.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, bail};
use domain::{FarmId, TimeDelta, Timestamp};
use sqlx::{Connection, PgConnection};

use crate::args::DatabaseArgs;
use crate::auth::{Scope, Secret, lifetime};
use crate::clock;
use crate::model::{Key, KeyLogEntry};
use crate::params::{KeyPage, MAX_RATE_LIMIT, Order};
use crate::queries::keys::{self, NewKey, Rotation, StoredKey};

/// What the log of keys calls whoever sits at a command line.
const ACTOR: &str = "command line";

/// How much of the log is shown, entries.
const SHOWN_LOG: u32 = 1_000;

/// What to do with keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum KeyCommand {
    /// Create a key and print it, once and never again
    Create(CreateArgs),
    /// List all keys, without the keys themselves
    List,
    /// Create a key that takes over from another one, and print it; both are good for the time of the overlap
    Rotate(RotateArgs),
    /// Take a key back; running APIs know within ten seconds
    Revoke {
        /// Its number, as listed
        id: i64,
    },
    /// Tell what was done to keys, by whom, the newest first
    Log {
        /// Only to this one
        #[arg(long)]
        key: Option<i64>,
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
    #[arg(long, value_parser = some_lifetime)]
    pub expires_in: Option<Duration>,

    /// How many requests a second it may make, and as many at once (1 to 1000000); by default the API's `--rate-limit`
    #[arg(long, value_parser = rate_limit)]
    pub rate_limit: Option<NonZeroU32>,
}

/// A key that is to take over from another one.
#[derive(Debug, Clone, clap::Args)]
pub struct RotateArgs {
    /// Number of the old key, as listed
    pub id: i64,

    /// How long the old key is still good, such as 24h or 0s
    #[arg(long, default_value = "24h", value_parser = lifetime)]
    pub overlap: Duration,

    /// How long the new key is good; by default for as long as the old one was made for
    #[arg(long, value_parser = some_lifetime)]
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
            Self::Rotate(args) => rotate(&mut database, &args).await,
            Self::Revoke { id } => revoke(&mut database, id).await,
            Self::Log { key } => log(&mut database, key).await,
        }
    }
}

async fn create(database: &mut PgConnection, args: &CreateArgs) -> anyhow::Result<()> {
    let secret = Secret::random();
    let key = NewKey {
        name: &args.name,
        hash: secret.hash(),
        scopes: &args.scopes,
        farms: args.farms.as_deref(),
        expires_at: args
            .expires_in
            .map(|lifetime| clock::now() + TimeDelta::from(lifetime)),
        rate_limit_per_second: args.rate_limit,
        replaces: None,
    };
    let mut transaction = keys::begin_as(database, ACTOR).await?;
    let key = keys::create(&mut *transaction, &key)
        .await
        .context("storing the key")?;
    transaction.commit().await.context("storing the key")?;
    show(&secret, &key);
    Ok(())
}

async fn rotate(database: &mut PgConnection, args: &RotateArgs) -> anyhow::Result<()> {
    let secret = Secret::random();
    let rotation = Rotation {
        overlap: args.overlap,
        lifetime: args.expires_in,
    };
    let mut transaction = keys::begin_as(database, ACTOR).await?;
    let key = keys::rotate(&mut transaction, args.id, secret.hash(), rotation)
        .await
        .context("storing the key")?;
    transaction.commit().await.context("storing the key")?;
    let Some(key) = key else {
        bail!("there is no valid key {}", args.id);
    };
    show(&secret, &key);
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the key goes to standard output, for scripts to take"
)]
fn show(secret: &Secret, key: &StoredKey) {
    let StoredKey { id, name, .. } = key;
    eprintln!("key {id} '{name}' created; this is the only time that it is shown:");
    println!("{}", secret.reveal());
}

#[expect(clippy::print_stdout, reason = "the list is what was asked for")]
async fn list(database: &mut PgConnection) -> anyhow::Result<()> {
    let keys = keys::list_all(database).await.context("reading the keys")?;
    println!("ID\tNAME\tSCOPES\tFARMS\tSTATE\tCREATED\tEXPIRES\tLAST USED\tRATE LIMIT\tREPLACES");
    for key in keys {
        println!("{}", row(key.into()));
    }
    Ok(())
}

async fn revoke(database: &mut PgConnection, id: i64) -> anyhow::Result<()> {
    let mut transaction = keys::begin_as(database, ACTOR).await?;
    let is_there = keys::revoke(&mut *transaction, id)
        .await
        .context("revoking the key")?;
    transaction.commit().await.context("revoking the key")?;
    if !is_there {
        bail!("there is no key {id}");
    }
    eprintln!("key {id} is revoked; running APIs know within ten seconds");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the log is what was asked for")]
async fn log(database: &mut PgConnection, key: Option<i64>) -> anyhow::Result<()> {
    let page = KeyPage {
        limit: SHOWN_LOG,
        order: Order::Desc,
        after: None,
    };
    let entries = keys::log(database, None, key, &page)
        .await
        .context("reading the log")?;
    println!("AT\tKEY\tACTION\tACTOR\tCHANGES");
    for KeyLogEntry {
        at,
        key_id,
        action,
        actor,
        changes,
        ..
    } in entries
    {
        println!("{}\t{key_id}\t{action}\t{actor}\t{changes}", shown(Some(at)));
    }
    Ok(())
}

fn row(key: Key) -> String {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let farms = match &key.farms {
        Some(farms) => farms.iter().map(FarmId::as_str).collect::<Vec<_>>().join(","),
        None => "all".to_owned(),
    };
    let or_dash = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    [
        key.id.to_string(),
        key.name,
        scopes.join(","),
        farms,
        key.state.as_str().to_owned(),
        shown(Some(key.created_at)),
        shown(key.expires_at),
        shown(key.last_used_at),
        or_dash(key.rate_limit_per_second.map(|limit| format!("{limit}/s"))),
        or_dash(key.replaces.map(|id| id.to_string())),
    ]
    .join("\t")
}

/// To the second; `-` for never.
fn shown(time: Option<Timestamp>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| time.floor_to(TimeDelta::from_secs(1)).to_string(),
    )
}

fn some_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = lifetime(text)?;
    if lifetime.is_zero() {
        return Err("more than 0s is wanted".to_owned());
    }
    Ok(lifetime)
}

fn rate_limit(text: &str) -> Result<NonZeroU32, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit: &NonZeroU32| limit.get() <= MAX_RATE_LIMIT);
    limit.ok_or_else(|| format!("a number from 1 to {MAX_RATE_LIMIT} is wanted"))
}
