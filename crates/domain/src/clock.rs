//! Which turbines' clocks run ahead.

use crate::quality::median;
use crate::{TimeDelta, TurbineId};

/// A clock that is so much further ahead than its fellows' is suspicious: more than synchronised clocks are apart.
const TOLERANCE: TimeDelta = TimeDelta::from_secs(1);

/// The most that a window tells of.
const MOST: usize = 100;

/// How far a turbine's clock runs ahead: the most that an event time of its readings was ahead of their append time.
pub(crate) type Lead<'a> = (&'a TurbineId, TimeDelta);

/// The turbines among these, which are in order, whose clocks run ahead of the broker's by more than a second more than
/// their fellows' do; the first hundred.
pub(crate) fn suspicious(leads: &[Lead<'_>]) -> Vec<TurbineId> {
    if leads.iter().all(|(_, lead)| *lead <= TOLERANCE) {
        return Vec::new(); // as usual
    }
    let mut sorted: Vec<_> = leads.iter().map(|(_, lead)| *lead).collect();
    sorted.sort_unstable();
    let is_suspicious = |lead: TimeDelta| lead > fellows(&sorted, lead).max(TimeDelta::ZERO) + TOLERANCE;
    leads
        .iter()
        .filter(|(_, lead)| is_suspicious(*lead))
        .map(|(turbine_id, _)| (*turbine_id).clone())
        .take(MOST)
        .collect()
}

/// The median of all but one of that lead; nothing for one that is alone.
fn fellows(sorted: &[TimeDelta], lead: TimeDelta) -> TimeDelta {
    let own = sorted.partition_point(|other| *other < lead);
    let mut others: Vec<_> = sorted[..own].iter().chain(&sorted[own + 1..]).copied().collect();
    if others.is_empty() {
        TimeDelta::ZERO
    } else {
        median(&mut others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspects(leads: &[i64]) -> Vec<usize> {
        let ids: Vec<_> = (0..leads.len())
            .map(|place| TurbineId::parse(&format!("T{place:03}")).unwrap())
            .collect();
        let leads: Vec<_> = ids
            .iter()
            .zip(leads)
            .map(|(id, lead)| (id, TimeDelta::from_millis(*lead)))
            .collect();
        let suspicious = suspicious(&leads);
        (0..ids.len())
            .filter(|place| suspicious.contains(&ids[*place]))
            .collect()
    }

    #[test]
    fn who_is_further_ahead_than_the_others_is_suspicious() {
        assert_eq!(suspects(&[-200, 5_000, -100]), [1]);
        assert_eq!(
            suspects(&[5_000, 5_200, 5_100]),
            [],
            "so it is the broker's clock"
        );
        assert_eq!(suspects(&[5_000, 5_200, 9_000]), [2]);
        assert_eq!(
            suspects(&[900, -5_000, -5_000]),
            [0; 0],
            "not ahead of the broker"
        );
        assert_eq!(suspects(&[3_000]), [0], "a lone one is compared with the broker");
        assert_eq!(suspects(&[20_000, 0]), [0]);
        assert_eq!(suspects(&[]), [0; 0]);
    }

    #[test]
    fn no_window_tells_of_more_than_a_hundred() {
        let mut leads = [0; 500];
        leads[200..400].fill(10_000);
        assert_eq!(suspects(&leads).len(), 100);
    }
}
