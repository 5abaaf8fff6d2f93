//! How many requests a caller may make: so many a second, and as many at once. A meter is one point in time (GCRA, the
//! generic cell rate algorithm of ATM): up to when its requests have been paid for, at the rate that is allowed.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Caller, CallerId};
use crate::error::ApiError;

/// In how long as many requests may be made as in one go.
const WINDOW: Duration = Duration::from_secs(1);

/// From that many meters on those are thrown away that say nothing any more.
const MANY_METERS: usize = 10_000;

/// What a caller may still do, after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests a second.
    pub limit_per_second: NonZeroU32,
    /// Requests that may follow at once.
    pub remaining: u32,
}

/// Counts the requests of callers, in this process. Cloning shares the count.
#[derive(Debug, Clone)]
pub struct Quotas {
    /// For callers without a limit of their own; none for no limit.
    common_limit: Option<NonZeroU32>,
    meters: Arc<Mutex<HashMap<CallerId, Meter>>>,
}

impl Quotas {
    /// With the limit of those that have none of their own.
    pub fn new(common_limit: Option<NonZeroU32>) -> Self {
        Self {
            common_limit,
            meters: Arc::default(),
        }
    }

    /// Counts a request. What is left then; none if there is no limit.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] when it is one too many; then it does not count.
    pub(super) fn count(&self, caller: &Caller, now: Instant) -> Result<Option<Quota>, ApiError> {
        let Some(limit) = caller.rate_limit_per_second.or(self.common_limit) else {
            return Ok(None);
        };
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= MANY_METERS && !meters.contains_key(&caller.id) {
            meters.retain(|_, meter| meter.paid_until > now);
        }
        let meter = meters
            .entry(caller.id.clone())
            .or_insert(Meter { paid_until: now });
        match meter.count(limit, now) {
            Some(remaining) => Ok(Some(Quota {
                limit_per_second: limit,
                remaining,
            })),
            None => Err(ApiError::RateLimited {
                limit_per_second: limit,
            }),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Meter {
    paid_until: Instant,
}

impl Meter {
    /// How many requests may follow this one at once; none if it is one too many.
    fn count(&mut self, limit: NonZeroU32, now: Instant) -> Option<u32> {
        let price = WINDOW / limit.get();
        let paid_until = self.paid_until.max(now) + price;
        let left = (price * limit.get()).checked_sub(paid_until - now)?;
        self.paid_until = paid_until;
        let remaining = left.as_nanos() / price.as_nanos();
        u32::try_from(remaining).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(per_second: u32) -> NonZeroU32 {
        NonZeroU32::new(per_second).unwrap()
    }

    #[test]
    fn as_many_as_a_second_has_may_come_at_once_and_then_one_by_one() {
        let began = Instant::now();
        let mut meter = Meter { paid_until: began };
        let mut at = |millis| meter.count(limit(4), began + Duration::from_millis(millis));
        assert_eq!([at(0), at(0), at(0), at(0)], [Some(3), Some(2), Some(1), Some(0)]);
        assert_eq!([at(0), at(249)], [None, None]);
        assert_eq!(
            [at(250), at(250)],
            [Some(0), None],
            "what was refused did not count"
        );
        assert_eq!([at(5_000), at(5_000)], [Some(3), Some(2)], "no more is saved up");
    }

    #[test]
    fn a_caller_has_a_meter_and_perhaps_a_limit_of_its_own() {
        let caller = |id, own: Option<u32>| Caller {
            id: CallerId::Key(id),
            scopes: Vec::new(),
            farms: None,
            rate_limit_per_second: own.map(limit),
        };
        let now = Instant::now();
        let quotas = Quotas::new(Some(limit(1)));
        let remaining = |caller: &Caller| Some(quotas.count(caller, now).ok()??.remaining);
        assert_eq!(remaining(&caller(1, None)), Some(0));
        assert_eq!(remaining(&caller(1, None)), None);
        assert_eq!(remaining(&caller(2, Some(3))), Some(2));
        let unlimited = Quotas::new(None);
        assert!((0..100).all(|_| matches!(unlimited.count(&caller(1, None), now), Ok(None))));
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_twice_the_limit_and_who_keeps_to_it_is_never_refused(
            per_second in 1..2_000_u32,
            gaps in prop::collection::vec(0..700_u64, 1..300),
        ) {
            let began = Instant::now();
            let (mut hasty, mut now, mut taken) = (Meter { paid_until: began }, began, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if hasty.count(limit(per_second), now).is_some() {
                    taken.push(now);
                }
            }
            for (place, first) in taken.iter().enumerate() {
                let within = taken[place..].iter().take_while(|at| **at < *first + WINDOW).count();
                prop_assert!(within <= 2 * per_second as usize);
            }
            let mut steady = Meter { paid_until: began };
            for n in 0..100 {
                let at = began + (WINDOW / per_second + Duration::from_nanos(1)) * n;
                prop_assert!(steady.count(limit(per_second), at).is_some());
            }
        }
    }
}
