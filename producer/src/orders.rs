//! What keeps a turbine from its work now and then: maintenance, a fault, an order to produce less.

use crate::noise::Seed;

/// A turbine is given at most one order in each span of this length, s.
const SPAN_S: f64 = 12.0 * 3_600.0;

/// An order that overrides what the wind allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// Stand still for the technicians.
    Maintain,
    /// Stand still until somebody has looked.
    Fault,
    /// Produce at most this share of the rated power.
    Derate {
        /// In (0, 1).
        share: f64,
    },
}

/// One turbine's orders over all time, as a function of time.
#[derive(Debug, Clone)]
pub struct Orders(Seed);

impl Orders {
    /// The orders that `seed` has for one turbine.
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// The order in force, if there is one.
    pub fn at(&self, at_s: f64) -> Option<Order> {
        let span = (at_s / SPAN_S).floor();
        let seed = self.0.at(span as i64);
        // Most spans have no order; this look is on the way of every reading.
        let (order, longest_s) = match seed.unit() {
            draw if draw < 0.010 => (Order::Maintain, 3.0 * 3_600.0),
            draw if draw < 0.030 => (Order::Fault, 1.5 * 3_600.0),
            draw if draw < 0.080 => {
                let share = seed.of("share").between(0.4, 0.8);
                (Order::Derate { share }, 4.0 * 3_600.0)
            }
            _ => return None,
        };
        let length_s = longest_s * seed.of("length").between(0.2, 1.0);
        let start_s = seed.of("start").between(0.0, SPAN_S - length_s);
        let into_span_s = at_s - span * SPAN_S;
        (start_s..start_s + length_s)
            .contains(&into_span_s)
            .then_some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_rare_and_last_for_a_while() {
        let orders = Orders::new(Seed::new(1));
        let minutes: Vec<_> = (0..1_000_000)
            .map(|minute| orders.at(f64::from(minute) * 60.0))
            .collect();
        let share = minutes.iter().flatten().count() as f64 / minutes.len() as f64;
        assert!((0.002..0.05).contains(&share), "under orders {share} of the time");
        let changes = minutes.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(
            changes < minutes.iter().flatten().count() / 10,
            "{changes} changes"
        );
    }
}
