//! Where a page ended, as a word that clients hand back without looking into it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The key of the last item of a page. Two lists whose keys look alike could swap cursors; that is their client's
/// joke and does no harm: a key is a place in the order, not a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<K>(pub K);

impl<K: Serialize> Cursor<K> {
    /// As a word.
    pub fn encode(&self) -> String {
        hex::encode(serde_json::to_vec(&self.0).expect("a key is numbers and text"))
    }
}

impl<K: DeserializeOwned> Cursor<K> {
    /// From a word; none if it is not one of ours.
    pub fn decode(word: &str) -> Option<Self> {
        serde_json::from_slice(&hex::decode(word).ok()?).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(time in any::<i64>(), partition in any::<i32>(), id in "[a-z0-9:._-]{1,64}") {
            let key = (time, partition, id);
            prop_assert_eq!(Cursor::decode(&Cursor(key.clone()).encode()), Some(Cursor(key)));
        }

        #[test]
        fn no_word_makes_it_panic(word in ".{0,40}") {
            let _ = Cursor::<(i64, i32, i64)>::decode(&word);
        }
    }
}
