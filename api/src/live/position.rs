//! How far a listener has come, in every partition.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Filter, Source};

/// The next offset of each partition of each source; as text, the id of an event: `r0:1542,1:77;w0:12`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position(BTreeMap<(Source, i32), i64>);

/// Text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of an event of this stream, such as r0:1542,1:77;w0:12")]
pub struct NoPosition;

impl Position {
    pub(super) fn get(&self, source: Source, partition: i32) -> Option<i64> {
        self.0.get(&(source, partition)).copied()
    }

    pub(super) fn set(&mut self, source: Source, partition: i32, next: i64) {
        self.0.insert((source, partition), next);
    }

    /// Moves on to `next` if that is farther, in a partition that it knows. Whether it did.
    pub(super) fn advance(&mut self, source: Source, partition: i32, next: i64) -> bool {
        match self.0.get_mut(&(source, partition)) {
            Some(known) if *known < next => {
                *known = next;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Source, i32, i64)> + '_ {
        let entries = self.0.iter();
        entries.map(|(&(source, partition), &next)| (source, partition, next))
    }

    /// This, of the sources that `filter` wants.
    pub(super) fn of(&self, filter: &Filter) -> Self {
        let wanted = self.iter().filter(|&(source, ..)| filter.wants_source(source));
        Self(
            wanted
                .map(|(source, partition, next)| ((source, partition), next))
                .collect(),
        )
    }

    /// Makes it one of exactly the partitions of `head`. A partition that is new to it is so to its owner too, and
    /// read from its begin; a source that is new to it was not asked for before, and is read from now on.
    #[must_use]
    pub(super) fn fitted_to(&self, head: &Self) -> Self {
        let knows = |wanted: Source| self.iter().any(|(source, ..)| source == wanted);
        let next = |(source, partition, end): (Source, i32, i64)| {
            let next = self.get(source, partition);
            let next = next.unwrap_or(if knows(source) { 0 } else { end });
            ((source, partition), next)
        };
        Self(head.iter().map(next).collect())
    }

    /// Whether everything from here on is at or after `begin`, as far as that knows.
    pub(super) fn is_at_or_after(&self, begin: &Self) -> bool {
        self.iter()
            .all(|(source, partition, next)| begin.get(source, partition).is_none_or(|begin| begin <= next))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (source, partition, next) in self.iter() {
            match last {
                Some(same) if same == source => f.write_str(",")?,
                Some(_) => write!(f, ";{}", source.letter())?,
                None => write!(f, "{}", source.letter())?,
            }
            write!(f, "{partition}:{next}")?;
            last = Some(source);
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut position = Self::default();
        for part in text.split(';') {
            let mut letters = part.chars();
            let source = letters.next().and_then(Source::from_letter).ok_or(NoPosition)?;
            for entry in letters.as_str().split(',') {
                let (partition, next) = entry.split_once(':').ok_or(NoPosition)?;
                let partition: u16 = partition.parse().map_err(|_| NoPosition)?;
                let next: i64 = next.parse().map_err(|_| NoPosition)?;
                position.set(source, i32::from(partition), next);
            }
        }
        // one position has one form: signs, leading zeros, doubles and another order are none of ours
        if position.to_string() == text && position.iter().all(|(.., next)| next >= 0) {
            Ok(position)
        } else {
            Err(NoPosition)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(text: &str) -> Position {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn an_id_comes_back_as_it_went(
            entries in prop::collection::btree_map((0_usize..4, 0_u16..20), 0_i64.., 1..40)
        ) {
            let mut whole = Position::default();
            for ((source, partition), next) in entries {
                whole.set(Source::ALL[source], i32::from(partition), next);
            }
            prop_assert_eq!(whole.to_string().parse(), Ok(whole));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[rwld0-9:,;+-]{0,30}|.{0,30}") {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_has_one_form() {
        for bad in [
            "",
            "r",
            "r0",
            "x0:1",
            "r0:1,",
            "r0:1;",
            "r00:1",
            "r0:01",
            "r0:-1",
            "r1:1,0:1",
            "r0:1;r1:1",
            "r70000:1",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(NoPosition), "{bad}");
        }
    }

    #[test]
    fn it_only_moves_forward() {
        let mut at = position("r0:5");
        assert!(at.advance(Source::Readings, 0, 7) && !at.advance(Source::Readings, 0, 6));
        assert!(
            !at.advance(Source::Readings, 1, 9),
            "a partition that it does not follow"
        );
        assert_eq!(at, position("r0:7"));
    }

    #[test]
    fn a_new_partition_is_read_from_its_begin_and_a_new_source_from_now() {
        let head = position("r0:50,1:60,2:70;w0:9");
        assert_eq!(
            position("r0:5,1:6;d0:3").fitted_to(&head),
            position("r0:5,1:6,2:0;w0:9")
        );
        assert_eq!(Position::default().fitted_to(&head), head);
    }

    #[test]
    fn what_is_covered_is_at_or_after_the_begin_everywhere() {
        let begin = position("r0:5,1:6;w0:2");
        assert!(position("r0:5,1:9").is_at_or_after(&begin));
        assert!(!position("r0:5,1:5").is_at_or_after(&begin));
        assert!(position("d0:0").is_at_or_after(&begin));
    }
}
