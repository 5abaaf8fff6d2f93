//! Names of farms and turbines.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id, in characters.
const MAX_LENGTH: usize = 64;

/// A name that is no farm's or turbine's: 1–64 characters out of `A–Z a–z 0–9 . _ : -` are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id: 1 to 64 characters out of A-Z a-z 0-9 . _ : - are wanted")]
pub struct IdError(String);

/// Whether a byte may be in an id: looked up, since every reading has two ids.
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        is_plain[byte] = b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        byte += 1;
    }
    is_plain
};

/// Whether `text` may name a farm or a turbine.
pub(crate) fn is_valid(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| IS_PLAIN[usize::from(byte)])
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` as an id.
            ///
            /// # Errors
            /// [`IdError`] unless it has 1–64 characters out of `A–Z a–z 0–9 . _ : -`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if is_valid(text) { Ok(Self(text.into())) } else { Err(IdError(text.chars().take(80).collect())) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// Names a wind farm; the key of every record about it. Cloning is cheap.
    FarmId
}

id! {
    /// Names a turbine within its farm. Cloning is cheap.
    TurbineId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["a", "T01", "R80721", "site:north_2.wt-07", &"x".repeat(64)] {
            assert_eq!(TurbineId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "å", "a/b", "T1\n", &"x".repeat(65)] {
            assert!(FarmId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
