//! The public keys of an issuer of tokens (JWKS, RFC 7517), each with the one algorithm that it is good for: what a
//! token says of its own algorithm counts only if it is that one (RFC 8725, 3.1).

use std::collections::HashMap;
use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// What tokens may be signed by.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Keys by their names.
#[derive(Debug, Default)]
pub(super) struct KeySet(HashMap<String, PublicKey>);

/// A key that signatures are verified by.
pub(super) struct PublicKey {
    /// The only algorithm that it is used with.
    pub(super) algorithm: Algorithm,
    /// The key.
    pub(super) key: DecodingKey,
}

/// What is no key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoKeySet {
    /// It is something else.
    #[error("it is not a JSON Web Key Set: {0}")]
    Json(#[from] serde_json::Error),
    /// It has no key of any use.
    #[error("it has no key with a kid for RS256, ES256 or EdDSA")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a document; keys of other kinds are left out.
    ///
    /// # Errors
    /// [`NoKeySet`].
    pub(super) fn parse(json: &[u8]) -> Result<Self, NoKeySet> {
        let document: Document = serde_json::from_slice(json)?;
        let known = document.keys.into_iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key).ok()?;
            Some((key.common.key_id.clone()?, PublicKey::of(&key)?))
        });
        let keys: HashMap<_, _> = known.collect();
        if keys.is_empty() {
            return Err(NoKeySet::Empty);
        }
        Ok(Self(keys))
    }

    /// The key of that name.
    pub(super) fn find(&self, name: &str) -> Option<&PublicKey> {
        self.0.get(name)
    }
}

impl PublicKey {
    fn of(key: &Jwk) -> Option<Self> {
        let (algorithm, name) = match &key.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            // a secret in a document that everybody may read is none
            AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
            | AlgorithmParameters::OctetKey(_) => return None,
        };
        let common = &key.common;
        let is_for_it = common.key_algorithm.is_none_or(|named| named == name);
        let is_for_signatures = common
            .public_key_use
            .as_ref()
            .is_none_or(|use_| *use_ == PublicKeyUse::Signature);
        let key = DecodingKey::from_jwk(key).ok()?;
        (is_for_it && is_for_signatures).then_some(Self { algorithm, key })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[u8] = include_bytes!("../../tests/keys/jwks.json");

    fn algorithm(keys: &KeySet, name: &str) -> Option<Algorithm> {
        keys.find(name).map(|key| key.algorithm)
    }

    #[test]
    fn a_key_is_for_one_algorithm() {
        let keys = KeySet::parse(KEYS).unwrap();
        assert_eq!(algorithm(&keys, "rs256"), Some(Algorithm::RS256));
        assert_eq!(algorithm(&keys, "es256"), Some(Algorithm::ES256));
        assert_eq!(algorithm(&keys, "eddsa"), Some(Algorithm::EdDSA));
        assert_eq!(algorithm(&keys, "other"), None);
    }

    #[test]
    fn what_is_of_no_use_is_left_out() {
        let mut document: Value = serde_json::from_slice(KEYS).unwrap();
        let keys = document["keys"].as_array_mut().unwrap();
        keys[0]["use"] = "enc".into();
        keys[1]["alg"] = "ES384".into();
        keys.push(serde_json::json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"}));
        keys.push(serde_json::json!({"kty": "new", "kid": "tomorrow"}));
        keys.push(Value::from(7));
        let keys = KeySet::parse(document.to_string().as_bytes()).unwrap();
        let known = ["rs256", "es256", "eddsa", "secret", "tomorrow"].map(|name| keys.find(name).is_some());
        assert_eq!(known, [false, false, true, false, false]);
        assert!(matches!(KeySet::parse(b"{\"keys\":[]}"), Err(NoKeySet::Empty)));
        assert!(matches!(KeySet::parse(b"<html>"), Err(NoKeySet::Json(_))));
    }
}
