//! Keys in the database, and the log of what was done to them.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use domain::{FarmId, TimeDelta, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{Acquire, FromRow, PgConnection, PgExecutor, Postgres, QueryBuilder, Row, Transaction};
use time::OffsetDateTime;

use super::{from_db, to_db};
use crate::auth::{Caller, CallerId, KeyHash, Scope};
use crate::clock;
use crate::model::KeyLogEntry;
use crate::params::{KeyPage, Order};

/// A key as it is stored, whatever its state.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Its number.
    pub id: i64,
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
    /// What it is called.
    pub name: String,
    /// What it opens.
    pub caller: Caller,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
    /// When somebody took it back.
    pub revoked_at: Option<Timestamp>,
    /// When it was used, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The key that it was made to take over from.
    pub replaces: Option<i64>,
}

impl StoredKey {
    /// Neither expired nor revoked.
    pub fn is_valid_now(&self) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > clock::now())
    }
}

impl FromRow<'_, PgRow> for StoredKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let time = |column| -> Result<Option<Timestamp>, sqlx::Error> {
            Ok(row.try_get::<Option<OffsetDateTime>, _>(column)?.map(from_db))
        };
        let id = row.try_get("id")?;
        let scopes: Vec<String> = row.try_get("scopes")?;
        let farms: Option<Vec<String>> = row.try_get("farms")?;
        let rate_limit: Option<i32> = row.try_get("rate_limit_per_second")?;
        Ok(Self {
            id,
            hash: row.try_get("key_hash")?,
            name: row.try_get("name")?,
            caller: Caller {
                id: CallerId::Key(id),
                scopes: parsed::<Scope>("scopes", &scopes)?,
                farms: farms.map(|farms| parsed::<FarmId>("farms", &farms)).transpose()?,
                rate_limit_per_second: rate_limit
                    .and_then(|limit| u32::try_from(limit).ok())
                    .and_then(NonZeroU32::new),
            },
            created_at: from_db(row.try_get("created_at")?),
            expires_at: time("expires_at")?,
            revoked_at: time("revoked_at")?,
            last_used_at: time("last_used_at")?,
            replaces: row.try_get("replaces")?,
        })
    }
}

fn parsed<T: FromStr>(column: &str, words: &[String]) -> Result<Vec<T>, sqlx::Error>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let parsed: Result<Vec<T>, _> = words.iter().map(|word| word.parse()).collect();
    parsed.map_err(|source| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(source),
    })
}

/// The key of that hash.
pub async fn find(database: impl PgExecutor<'_>, hash: &KeyHash) -> Result<Option<StoredKey>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM api_keys WHERE key_hash = $1")
        .bind(hash.as_bytes())
        .fetch_optional(database)
        .await
}

/// The key of that number.
pub async fn get(database: impl PgExecutor<'_>, id: i64) -> Result<Option<StoredKey>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM api_keys WHERE id = $1")
        .bind(id)
        .fetch_optional(database)
        .await
}

/// A page of keys by number and one more; only those that open no farm beyond `farms`, if it names any.
pub async fn list(
    database: impl PgExecutor<'_>,
    farms: Option<Vec<String>>,
    page: &KeyPage<i64>,
) -> Result<Vec<StoredKey>, sqlx::Error> {
    let mut sql = QueryBuilder::new("SELECT * FROM api_keys WHERE true");
    if let Some(farms) = farms {
        sql.push(" AND farms <@ ").push_bind(farms);
    }
    push_page(&mut sql, "id", page);
    sql.build_query_as().fetch_all(database).await
}

/// All keys, the oldest first.
pub async fn list_all(database: impl PgExecutor<'_>) -> Result<Vec<StoredKey>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM api_keys ORDER BY id")
        .fetch_all(database)
        .await
}

/// Begins to write to keys in the name of `actor`, whom the log of keys will tell.
pub async fn begin_as<'d>(
    database: impl Acquire<'d, Database = Postgres>,
    actor: &str,
) -> Result<Transaction<'d, Postgres>, sqlx::Error> {
    let mut transaction = database.begin().await?;
    sqlx::query("SELECT set_config('windfarm.actor', $1, true)")
        .bind(actor)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// A key that is to be stored.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// What it is called.
    pub name: &'a str,
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// What it is good for; at least one.
    pub scopes: &'a [Scope],
    /// The only farms that it opens; none for all.
    pub farms: Option<&'a [FarmId]>,
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
    /// How many requests a second it may make; none for the limit of all.
    pub rate_limit_per_second: Option<NonZeroU32>,
    /// The key that it is to take over from.
    pub replaces: Option<i64>,
}

/// Stores a key and returns it.
pub async fn create(database: impl PgExecutor<'_>, key: &NewKey<'_>) -> Result<StoredKey, sqlx::Error> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let farms: Option<Vec<&str>> = key.farms.map(|farms| farms.iter().map(FarmId::as_str).collect());
    let rate_limit = key.rate_limit_per_second;
    sqlx::query_as(
        "INSERT INTO api_keys (name, key_hash, scopes, farms, expires_at, rate_limit_per_second, replaces) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
    )
    .bind(key.name)
    .bind(key.hash.as_bytes())
    .bind(scopes)
    .bind(farms)
    .bind(key.expires_at.map(to_db))
    .bind(rate_limit.map(|limit| i32::try_from(limit.get()).unwrap_or(i32::MAX)))
    .bind(key.replaces)
    .fetch_one(database)
    .await
}

/// Takes a key back. Whether there was a key of that number, revoked or not.
pub async fn revoke(database: impl PgExecutor<'_>, id: i64) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1")
        .bind(id)
        .execute(database)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// How one key takes over from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// How long the old key is still good.
    pub overlap: Duration,
    /// How long the new one is; none for as long as the old one was meant to be.
    pub lifetime: Option<Duration>,
}

/// Makes a key that may do what the key `id` may, and lets that one expire. None when it is not valid any more.
pub async fn rotate(
    database: &mut PgConnection,
    id: i64,
    hash: KeyHash,
    rotation: Rotation,
) -> Result<Option<StoredKey>, sqlx::Error> {
    let old: Option<StoredKey> = sqlx::query_as("SELECT * FROM api_keys WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(&mut *database)
        .await?;
    let Some(old) = old.filter(StoredKey::is_valid_now) else {
        return Ok(None);
    };
    let now = clock::now();
    let lifetime = rotation
        .lifetime
        .map(TimeDelta::from)
        .or_else(|| old.expires_at.map(|end| end.since(old.created_at)));
    let key = NewKey {
        name: &old.name,
        hash,
        scopes: &old.caller.scopes,
        farms: old.caller.farms.as_deref(),
        expires_at: lifetime.map(|lifetime| now + lifetime),
        rate_limit_per_second: old.caller.rate_limit_per_second,
        replaces: Some(id),
    };
    let new = create(&mut *database, &key).await?;
    sqlx::query("UPDATE api_keys SET expires_at = least(expires_at, $2) WHERE id = $1")
        .bind(id)
        .bind(to_db(now + TimeDelta::from(rotation.overlap)))
        .execute(database)
        .await?;
    Ok(Some(new))
}

/// Notes that the key is in use, unless that is known within the minute.
pub async fn note_use(database: impl PgExecutor<'_>, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE api_keys SET last_used_at = now() \
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')",
    )
    .bind(id)
    .execute(database)
    .await?;
    Ok(())
}

/// Makes the first admin key, if there is no valid one and this hash was never a key. Whether it did.
pub async fn bootstrap(
    database: impl Acquire<'_, Database = Postgres>,
    hash: &KeyHash,
) -> Result<bool, sqlx::Error> {
    let mut transaction = begin_as(database, "bootstrap").await?;
    let done = sqlx::query(
        "INSERT INTO api_keys (name, key_hash, scopes) SELECT 'bootstrap', $1, '{admin}' \
         WHERE NOT EXISTS (SELECT FROM api_keys WHERE 'admin' = ANY (scopes) AND revoked_at IS NULL \
                           AND (expires_at IS NULL OR expires_at > now())) \
         ON CONFLICT (key_hash) DO NOTHING",
    )
    .bind(hash.as_bytes())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

impl FromRow<'_, PgRow> for KeyLogEntry {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            at: from_db(row.try_get("at")?),
            key_id: row.try_get("key_id")?,
            action: row.try_get("action")?,
            actor: row.try_get("actor")?,
            changes: row.try_get("changes")?,
        })
    }
}

/// A page of the log of keys and one more, of one `key` or of all; only of keys that open no farm beyond `farms`, if it
/// names any.
pub async fn log(
    database: impl PgExecutor<'_>,
    farms: Option<Vec<String>>,
    key: Option<i64>,
    page: &KeyPage<i64>,
) -> Result<Vec<KeyLogEntry>, sqlx::Error> {
    let mut sql = QueryBuilder::new("SELECT * FROM key_log WHERE true");
    if let Some(farms) = farms {
        sql.push(" AND key_id IN (SELECT id FROM api_keys WHERE farms <@ ")
            .push_bind(farms)
            .push(")");
    }
    if let Some(key) = key {
        sql.push(" AND key_id = ").push_bind(key);
    }
    push_page(&mut sql, "id", page);
    sql.build_query_as().fetch_all(database).await
}

/// Adds the rest of a query whose key is the number in `column`.
fn push_page(sql: &mut QueryBuilder<Postgres>, column: &str, page: &KeyPage<i64>) {
    if let Some(after) = page.after {
        let beyond = match page.order {
            Order::Asc => '>',
            Order::Desc => '<',
        };
        sql.push(format_args!(" AND {column} {beyond} ")).push_bind(after);
    }
    sql.push(format_args!(" ORDER BY {column} {} LIMIT ", page.order.sql()))
        .push_bind(i64::from(page.limit) + 1);
}
