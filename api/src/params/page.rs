//! Pages of lists: how many, which way, between which times, and after which item.

use domain::{FarmId, TimeDelta, Timestamp, TurbineId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cursor, FromQuery, QueryReader};

/// The longest page.
const MAX_LIMIT: u32 = 10_000;
const DEFAULT_LIMIT: u32 = 100;

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The smallest first.
    Asc,
    /// The greatest first.
    Desc,
}

impl Order {
    /// As SQL has it.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Asc => "ASC",
            Self::Desc => "DESC",
        }
    }

    fn take(query: &mut QueryReader, default: Self) -> Self {
        let order = query.take("order", "asc or desc", |text| match text {
            "asc" => Some(Self::Asc),
            "desc" => Some(Self::Desc),
            _ => None,
        });
        order.unwrap_or(default)
    }
}

fn limit(query: &mut QueryReader) -> u32 {
    if query.is_file {
        let rows = query.take("limit", "a number from 1 up", |text| {
            text.parse().ok().filter(|rows| *rows > 0)
        });
        query.rows = rows;
        return DEFAULT_LIMIT;
    }
    let wanted = format!("a number from 1 to {MAX_LIMIT}");
    let limit = query.take("limit", &wanted, |text| {
        text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
    });
    limit.unwrap_or(DEFAULT_LIMIT)
}

fn cursor<K: Serialize + DeserializeOwned>(query: &mut QueryReader) -> Option<K> {
    let cursor = query.take("cursor", "the next_cursor of the page before", Cursor::decode);
    cursor.map(|Cursor(key)| key)
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl TimeRange {
    /// From the first time that a reading may have (1990) to the last that the database can tell (9999).
    pub const ALL: Self = Self {
        from: Timestamp::from_micros(631_152_000_000_000),
        to: Timestamp::from_micros(253_402_300_799_999_999),
    };

    /// What both have in common.
    #[must_use]
    pub fn and(self, from: Timestamp, to: Timestamp) -> Self {
        Self {
            from: self.from.max(from),
            to: self.to.min(to),
        }
    }

    /// Takes the parameters `from` and `to`.
    pub fn take(query: &mut QueryReader) -> Self {
        let wanted = "an RFC 3339 time such as 2026-11-23T10:00:00Z";
        let from: Option<Timestamp> = query.take("from", wanted, |text| text.parse().ok());
        let to: Option<Timestamp> = query.take("to", wanted, |text| text.parse().ok());
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            query.fault("to", &to.to_string(), &format!("a time not before from, {from}"));
        }
        Self::ALL.and(from.unwrap_or(Self::ALL.from), to.unwrap_or(Self::ALL.to))
    }
}

/// A page of a list whose key is a time, to the microsecond: the cursor only makes the range narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePage {
    /// How many items at most.
    pub limit: u32,
    /// Which way.
    pub order: Order,
    /// Between which times, what earlier pages had left out.
    pub range: TimeRange,
}

impl TimePage {
    /// Of a list that runs from the newest on.
    pub const fn newest(range: TimeRange) -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            order: Order::Desc,
            range,
        }
    }

    /// The page that follows the one that ended with `last`.
    #[must_use]
    pub fn after(mut self, last: Timestamp) -> Self {
        match self.order {
            Order::Asc => self.range.from = self.range.from.max(last + TimeDelta::from_micros(1)),
            Order::Desc => self.range.to = self.range.to.min(last),
        }
        self
    }
}

impl FromQuery for TimePage {
    fn read(query: &mut QueryReader) -> Self {
        let page = Self {
            limit: limit(query),
            order: Order::take(query, Order::Desc),
            range: TimeRange::take(query),
        };
        match cursor(query) {
            Some(micros) => page.after(Timestamp::from_micros(micros)),
            None => page,
        }
    }
}

/// A page of a list that has another key than a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage<K> {
    /// How many items at most.
    pub limit: u32,
    /// Which way.
    pub order: Order,
    /// The key of the last item of the page before.
    pub after: Option<K>,
}

impl<K: Serialize + DeserializeOwned> KeyPage<K> {
    /// Takes the parameters `limit`, `order` and `cursor`.
    pub fn take(query: &mut QueryReader, default_order: Order) -> Self {
        Self {
            limit: limit(query),
            order: Order::take(query, default_order),
            after: cursor(query),
        }
    }
}

/// A list by name runs from A to Z. The name in a cursor is a valid one, whoever made the cursor.
impl FromQuery for KeyPage<FarmId> {
    fn read(query: &mut QueryReader) -> Self {
        Self::take(query, Order::Asc)
    }
}

/// As of farms.
impl FromQuery for KeyPage<TurbineId> {
    fn read(query: &mut QueryReader) -> Self {
        Self::take(query, Order::Asc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_cursor_narrows_the_range_on_the_side_that_is_done() {
        let page = |order| TimePage {
            limit: 10,
            order,
            range: TimeRange {
                from: at(100),
                to: at(200),
            },
        };
        let range = |from, to| TimeRange {
            from: at(from),
            to: at(to),
        };
        assert_eq!(page(Order::Desc).after(at(150)).range, range(100, 150));
        assert_eq!(page(Order::Asc).after(at(150)).range, range(151, 200));
        assert_eq!(
            page(Order::Asc).after(at(50)).range,
            range(100, 200),
            "a foreign cursor widens nothing"
        );
    }
}
