//! Verified keys, remembered for a moment so that a request does not cost a look into the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{TimeDelta, Timestamp};
use sqlx::PgPool;

use super::{Caller, CallerId, KeyHash, Quotas, Tokens};
use crate::clock;
use crate::error::ApiError;
use crate::queries::keys::{self, StoredKey};

/// How long a key is believed without looking again: with the time that a look takes, a revocation is effective within
/// ten seconds.
const BELIEVED_FOR: Duration = Duration::from_secs(9);

/// More keys than that are not remembered at once.
const MOST_KEYS: usize = 10_000;

/// How exactly a key's last use is known.
const LAST_USE_RESOLUTION: Duration = Duration::from_secs(60);

/// Verifies keys. Cloning shares the memory.
#[derive(Debug, Clone)]
pub struct Keys {
    database: PgPool,
    quotas: Quotas,
    /// Tokens are taken too, if it is set.
    tokens: Option<Tokens>,
    known: Arc<Mutex<HashMap<KeyHash, Known>>>,
}

#[derive(Debug, Clone)]
struct Known {
    caller: Caller,
    looked_at: Instant,
    expires_at: Option<Timestamp>,
}

impl Keys {
    /// Verifies against the keys in `database`, and tokens if there are any.
    pub fn new(database: PgPool, quotas: Quotas, tokens: Option<Tokens>) -> Self {
        Self {
            database,
            quotas,
            tokens,
            known: Arc::default(),
        }
    }

    /// How often their owners may come.
    pub const fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Whose key or token this is.
    ///
    /// # Errors
    /// [`ApiError::KeyUnknown`] for one that is unknown, expired or revoked, [`ApiError::Unavailable`] when the
    /// database or the issuer must be asked and is away.
    pub async fn verify(&self, presented: &str) -> Result<Caller, ApiError> {
        let hash = KeyHash::of(presented);
        if let Some(caller) = self.remembered(&hash) {
            return Ok(caller);
        }
        let looked_at = Instant::now();
        if let Some(tokens) = self.tokens.as_ref().filter(|_| Tokens::is_token(presented)) {
            let (caller, end) = tokens.verify(presented).await?;
            return Ok(self.remember(hash, caller, Some(end), looked_at));
        }
        let stored = keys::find(&self.database, &hash)
            .await?
            .filter(|key| hash.is(&key.hash));
        let Some(stored) = stored.filter(StoredKey::is_valid_now) else {
            self.lock().remove(&hash);
            return Err(ApiError::KeyUnknown);
        };
        self.note_use(&stored);
        Ok(self.remember(hash, stored.caller, stored.expires_at, looked_at))
    }

    fn remembered(&self, hash: &KeyHash) -> Option<Caller> {
        let known = self.lock();
        let key = known.get(hash)?;
        let expired = key.expires_at.is_some_and(|end| end <= clock::now());
        (key.looked_at.elapsed() < BELIEVED_FOR && !expired).then(|| key.caller.clone())
    }

    /// Looks at the key of that number again when it comes next, because it was changed here.
    pub fn forget(&self, id: i64) {
        self.lock()
            .retain(|_, known| known.caller.id != CallerId::Key(id));
    }

    fn remember(
        &self,
        hash: KeyHash,
        caller: Caller,
        expires_at: Option<Timestamp>,
        looked_at: Instant,
    ) -> Caller {
        let mut known = self.lock();
        if known.len() >= MOST_KEYS {
            known.clear();
        }
        let entry = Known {
            caller: caller.clone(),
            looked_at,
            expires_at,
        };
        known.insert(hash, entry);
        caller
    }

    /// Notes the use in the background; nobody waits for it, and to miss one does no harm.
    fn note_use(&self, key: &StoredKey) {
        let long_ago = |at: Timestamp| clock::now().since(at) >= TimeDelta::from(LAST_USE_RESOLUTION);
        if key.last_used_at.is_some_and(|at| !long_ago(at)) {
            return;
        }
        let (database, id) = (self.database.clone(), key.id);
        tokio::spawn(async move {
            if let Err(error) = keys::note_use(&database, id).await {
                tracing::warn!(key.id = id, %error, "the last use of a key was not noted");
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<KeyHash, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
