//! Tokens that somebody else has issued (JWT, RFC 7519, by the advice of RFC 8725): signed by a key that the issuer has
//! published, meant for us, and good for now.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use domain::Timestamp;
use jsonwebtoken::{Validation, decode, decode_header};
use reqwest::{Client, Url};

use super::Caller;
use super::claims::{ClaimNames, Claims};
use super::key_set::{ALGORITHMS, KeySet};
use crate::error::ApiError;

/// How far the issuer's clock and ours may be apart, seconds.
const LEEWAY_SECONDS: u64 = 30;

/// How old the issuer's keys may be before they are looked at again.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// How soon after a look nobody looks again, whatever keys tokens name.
const AGAIN: Duration = Duration::from_secs(5);

/// How long the issuer may take to tell its keys.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The most that it may tell, bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// What tokens are taken.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Whose.
    pub issuer: String,
    /// For whom.
    pub audience: String,
    /// Which claims say what.
    pub names: ClaimNames,
}

/// Where the issuer's keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(Url),
}

/// Verifies tokens. Cloning shares the issuer's keys.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rules: TokenRules,
    source: KeySource,
    client: Client,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// When somebody last looked; whoever looks holds it.
    looked_at: tokio::sync::Mutex<Option<Instant>>,
}

impl Tokens {
    /// With the issuer's keys at `source`, which are read when a token comes.
    ///
    /// # Errors
    /// When there can be no client for an address.
    pub fn new(rules: TokenRules, source: KeySource) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(ANSWER_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("preparing to ask for the keys of tokens")?;
        Ok(Self(Arc::new(Shared {
            rules,
            source,
            client,
            keys: RwLock::default(),
            looked_at: tokio::sync::Mutex::default(),
        })))
    }

    /// Whether that can be a token at all: three parts with points between them.
    pub fn is_token(presented: &str) -> bool {
        presented.split('.').count() == 3
    }

    /// Whose token this is, and until when it is good.
    ///
    /// # Errors
    /// [`ApiError::KeyUnknown`] whatever is wrong with it, [`ApiError::Unavailable`] while the issuer's keys are not
    /// known.
    pub async fn verify(&self, token: &str) -> Result<(Caller, Timestamp), ApiError> {
        let header = decode_header(token).map_err(|_| ApiError::KeyUnknown)?;
        // what a token says is critical must be understood, and we understand nothing besides
        let is_plain = header.crit.is_none() && ALGORITHMS.contains(&header.alg);
        let name = header.kid.filter(|_| is_plain).ok_or(ApiError::KeyUnknown)?;
        let keys = self.keys_with(&name).await?;
        let key = keys.find(&name).ok_or(ApiError::KeyUnknown)?;

        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.0.rules.issuer]);
        validation.set_audience(&[&self.0.rules.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| {
            tracing::debug!(%error, "a token was refused");
            ApiError::KeyUnknown
        })?;
        let claims = claims.claims;
        let caller = claims.caller(&self.0.rules.names).ok_or(ApiError::KeyUnknown)?;
        Ok((caller, claims.expires_at()))
    }

    /// The issuer's keys, looked at again if they are old or lack the one of that name.
    async fn keys_with(&self, name: &str) -> Result<Arc<KeySet>, ApiError> {
        let known = self.known();
        let has_it = known.as_ref().is_some_and(|keys| keys.find(name).is_some());
        let mut looked_at = match self.0.looked_at.try_lock() {
            // somebody is looking, and what is known will do
            Err(_) if has_it => return known.ok_or(ApiError::KeyUnknown),
            Err(_) => self.0.looked_at.lock().await,
            Ok(looked_at) => looked_at,
        };
        let patience = if has_it { GOOD_FOR } else { AGAIN };
        if looked_at.is_none_or(|at| at.elapsed() >= patience) {
            *looked_at = Some(Instant::now());
            match self.look().await {
                Ok(keys) => {
                    *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys))
                }
                // those that were good are good until it is there again
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the issuer does not tell its keys")
                }
            }
        }
        self.known().ok_or_else(|| ApiError::Unavailable {
            what: "the issuer of tokens",
            cause: "its keys are not known yet".to_owned(),
        })
    }

    fn known(&self) -> Option<Arc<KeySet>> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn look(&self) -> anyhow::Result<KeySet> {
        let document = match &self.0.source {
            KeySource::File(path) => tokio::fs::read(path)
                .await
                .with_context(|| format!("cannot read {}", path.display()))?,
            KeySource::Url(url) => self
                .fetch(url)
                .await
                .with_context(|| format!("cannot fetch {url}"))?,
        };
        Ok(KeySet::parse(&document)?)
    }

    async fn fetch(&self, url: &Url) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.0.client.get(url.clone()).send().await?.error_for_status()?;
        let mut document = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            document.extend_from_slice(&piece);
            ensure!(
                document.len() <= MOST_BYTES,
                "it is over the limit of {MOST_BYTES} bytes"
            );
        }
        Ok(document)
    }
}
