//! Keys in the database.

use std::str::FromStr;
use std::time::SystemTime;

use domain::FarmId;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgExecutor, Row};
use time::OffsetDateTime;

use crate::auth::{Caller, KeyHash, Scope};

/// A key as it is stored, whatever its state.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
    /// What it is called.
    pub name: String,
    /// What it opens.
    pub caller: Caller,
    /// When it was made.
    pub created_at: SystemTime,
    /// From when on it opens nothing.
    pub expires_at: Option<SystemTime>,
    /// When somebody took it back.
    pub revoked_at: Option<SystemTime>,
    /// When it was used, to about a minute.
    pub last_used_at: Option<SystemTime>,
}

impl StoredKey {
    /// Neither expired nor revoked.
    pub fn is_valid_now(&self) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > SystemTime::now())
    }
}

impl FromRow<'_, PgRow> for StoredKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let time = |column| -> Result<Option<SystemTime>, sqlx::Error> {
            Ok(row
                .try_get::<Option<OffsetDateTime>, _>(column)?
                .map(SystemTime::from))
        };
        let scopes: Vec<String> = row.try_get("scopes")?;
        let farms: Option<Vec<String>> = row.try_get("farms")?;
        Ok(Self {
            hash: row.try_get("key_hash")?,
            name: row.try_get("name")?,
            caller: Caller {
                key_id: row.try_get("id")?,
                scopes: parsed::<Scope>("scopes", &scopes)?,
                farms: farms.map(|farms| parsed::<FarmId>("farms", &farms)).transpose()?,
            },
            created_at: row.try_get::<OffsetDateTime, _>("created_at")?.into(),
            expires_at: time("expires_at")?,
            revoked_at: time("revoked_at")?,
            last_used_at: time("last_used_at")?,
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

/// All keys, the oldest first.
pub async fn list(database: impl PgExecutor<'_>) -> Result<Vec<StoredKey>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM api_keys ORDER BY id")
        .fetch_all(database)
        .await
}

/// A key that is to be stored.
#[derive(Debug)]
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
    pub expires_at: Option<SystemTime>,
}

/// Stores a key and returns its number.
pub async fn create(database: impl PgExecutor<'_>, key: &NewKey<'_>) -> Result<i64, sqlx::Error> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let farms: Option<Vec<&str>> = key.farms.map(|farms| farms.iter().map(FarmId::as_str).collect());
    sqlx::query_scalar(
        "INSERT INTO api_keys (name, key_hash, scopes, farms, expires_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(key.name)
    .bind(key.hash.as_bytes())
    .bind(scopes)
    .bind(farms)
    .bind(key.expires_at.map(OffsetDateTime::from))
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
pub async fn bootstrap(database: impl PgExecutor<'_>, hash: &KeyHash) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO api_keys (name, key_hash, scopes) SELECT 'bootstrap', $1, '{admin}' \
         WHERE NOT EXISTS (SELECT FROM api_keys WHERE 'admin' = ANY (scopes) AND revoked_at IS NULL \
                           AND (expires_at IS NULL OR expires_at > now())) \
         ON CONFLICT (key_hash) DO NOTHING",
    )
    .bind(hash.as_bytes())
    .execute(database)
    .await?;
    Ok(done.rows_affected() > 0)
}
