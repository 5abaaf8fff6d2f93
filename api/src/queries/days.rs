//! Lists from tables with a partition for each day. A statement over all days would be planned far longer than it
//! runs, so the days are asked from one end: first one, then, as long as the page is not full, twice as many each
//! time.

use domain::{TimeDelta, Timestamp};

use crate::params::{Order, TimePage, TimeRange};

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

/// The most days of one statement.
const MOST_DAYS: i64 = 32;

/// The items of a page and one more, if there is one, of which `fetch` gives those of a narrower range.
pub(super) async fn list<T>(
    page: &TimePage,
    mut fetch: impl AsyncFnMut(&TimePage) -> Result<Vec<T>, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    let wanted = page.limit as usize + 1;
    let mut items = Vec::new();
    let mut slices = Slices::new(page.range, page.order);
    while items.len() < wanted
        && let Some(range) = slices.next()
    {
        // one more is always asked for
        let limit = page.limit - u32::try_from(items.len()).unwrap_or(page.limit);
        let slice = TimePage {
            limit,
            range,
            order: page.order,
        };
        items.append(&mut fetch(&slice).await?);
    }
    Ok(items)
}

/// A range in pieces that grow, cut at midnights (UTC).
struct Slices {
    rest: TimeRange,
    order: Order,
    days: i64,
}

impl Slices {
    const fn new(range: TimeRange, order: Order) -> Self {
        Self {
            rest: range,
            order,
            days: 1,
        }
    }
}

impl Iterator for Slices {
    type Item = TimeRange;

    fn next(&mut self) -> Option<TimeRange> {
        let Self { rest, order, days } = self;
        if rest.from >= rest.to {
            return None;
        }
        let length = TimeDelta::from_micros(DAY.as_micros() * *days);
        *days = (*days * 2).min(MOST_DAYS);
        Some(match order {
            Order::Asc => {
                let to = rest.to.min(rest.from.floor_to(DAY) + length);
                TimeRange {
                    from: std::mem::replace(&mut rest.from, to),
                    to,
                }
            }
            Order::Desc => {
                let last: Timestamp = rest.to - TimeDelta::from_micros(1);
                let from = rest.from.max(last.floor_to(DAY) + DAY - length);
                TimeRange {
                    from,
                    to: std::mem::replace(&mut rest.to, from),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slices(from: &str, to: &str, order: Order) -> Vec<String> {
        let range = TimeRange {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        let told = |range: TimeRange| format!("{} {}", range.from, range.to);
        Slices::new(range, order).map(told).collect()
    }

    #[test]
    fn the_first_piece_is_one_day_and_the_next_ones_are_longer() {
        assert_eq!(
            slices("2026-11-23T10:00:00Z", "2026-11-28T00:00:00Z", Order::Asc),
            [
                "2026-11-23T10:00:00Z 2026-11-24T00:00:00Z",
                "2026-11-24T00:00:00Z 2026-11-26T00:00:00Z",
                "2026-11-26T00:00:00Z 2026-11-28T00:00:00Z"
            ]
        );
        assert_eq!(
            slices("2026-11-20T00:00:00Z", "2026-11-23T10:00:00Z", Order::Desc),
            [
                "2026-11-23T00:00:00Z 2026-11-23T10:00:00Z",
                "2026-11-21T00:00:00Z 2026-11-23T00:00:00Z",
                "2026-11-20T00:00:00Z 2026-11-21T00:00:00Z"
            ]
        );
        assert!(slices("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", Order::Asc).is_empty());
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_range(from in 0..10_000_000_i64, length in 1..100_000_000_i64, is_asc in any::<bool>()) {
            let at = |seconds| Timestamp::from_micros(seconds * 1_000_000);
            let range = TimeRange { from: at(from), to: at(from + length) };
            let order = if is_asc { Order::Asc } else { Order::Desc };
            let mut pieces: Vec<_> = Slices::new(range, order).collect();
            if !is_asc {
                pieces.reverse();
            }
            prop_assert_eq!((pieces[0].from, pieces[pieces.len() - 1].to), (range.from, range.to));
            prop_assert!(pieces.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to));
        }
    }
}
