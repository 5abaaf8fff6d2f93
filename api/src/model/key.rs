//! Keys as the API shows them: never the key itself, but for once.

use std::num::NonZeroU32;

use domain::{FarmId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Scope, Secret};
use crate::queries::keys::StoredKey;

/// A key of the API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// The only farms that it opens; null for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub farms: Option<Vec<FarmId>>,
    /// Whether it opens anything.
    pub state: KeyState,
    /// How many requests a second it may make, at each process of the API; null for the limit of all.
    #[schema(value_type = Option<u32>)]
    pub rate_limit_per_second: Option<NonZeroU32>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// From when on it opens nothing; null for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When somebody took it back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// When it was used, to about a minute; null for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// The key that it was made to take over from.
    pub replaces: Option<i64>,
}

/// Whether a key opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
}

impl KeyState {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl From<StoredKey> for Key {
    fn from(key: StoredKey) -> Self {
        let state = match (key.revoked_at, key.is_valid_now()) {
            (Some(_), _) => KeyState::Revoked,
            (None, true) => KeyState::Valid,
            (None, false) => KeyState::Expired,
        };
        Self {
            id: key.id,
            name: key.name,
            scopes: key.caller.scopes,
            farms: key.caller.farms,
            state,
            rate_limit_per_second: key.caller.rate_limit_per_second,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            replaces: key.replaces,
        }
    }
}

/// A new key, shown this once.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    /// The key itself, for the header `X-API-Key`. It is not kept here and cannot be shown again.
    #[schema(example = "vel_6c0a…")]
    key: String,
    /// What is known of it.
    #[serde(flatten)]
    about: Key,
}

impl CreatedKey {
    /// Shows `secret`.
    pub fn new(secret: &Secret, key: StoredKey) -> Self {
        Self {
            key: secret.reveal().to_owned(),
            about: key.into(),
        }
    }
}

/// What was done to a key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyLogEntry {
    /// Its number in the log.
    pub id: i64,
    /// When it was done.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The key.
    pub key_id: i64,
    /// create, change, revoke or delete.
    #[schema(pattern = "^(create|change|revoke|delete)$")]
    pub action: String,
    /// Who did it: `key 3`, `command line`, `bootstrap`, or the database's role.
    #[schema(example = "key 3")]
    pub actor: String,
    /// What was changed, and to what; never the key or its hash.
    #[schema(value_type = Object)]
    pub changes: serde_json::Value,
}
