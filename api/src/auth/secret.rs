//! Keys as their owners hold them, and the hash that is all we keep.

use std::fmt;

use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Tells people, and scanners of leaked secrets, what the string is.
const PREFIX: &str = "vel_";

/// A key as its owner holds it. Never logged: `Debug` hides it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new key of 256 random bits.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(format!("{PREFIX}{}", hex::encode(bytes)))
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// The key itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a key. A key is random, so that neither salt nor stretching would add anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of what somebody presents as a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Its bytes, as the database has them.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `stored` is this hash, in a time that does not depend on where they differ.
    pub fn is(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_random_and_hidden() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_eq!(one.reveal().len(), 4 + 64);
        assert!(one.reveal().starts_with("vel_"));
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }

    #[test]
    fn a_hash_is_that_of_sha_256() {
        let hash = KeyHash::of("abc");
        assert_eq!(
            hex::encode(hash.as_bytes()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(hash.is(KeyHash::of("abc").as_bytes()));
        assert!(!hash.is(KeyHash::of("abd").as_bytes()) && !hash.is(b"short"));
    }
}
