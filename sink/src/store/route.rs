//! By which way the rows of a table go in: the quick one fails when a single row is there already, the careful one costs
//! more than twice as much.

/// How rows of one table are stored. Each way stands more than the one before, and costs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Copied straight into the table: none of them is there already.
    Direct,
    /// Those that look new are copied, the suspects go by way of a table of the session.
    Split,
    /// All go by way of a table of the session: any of them may be there already.
    Careful,
    /// The same in ever smaller parts: any of them may be refused.
    Isolated,
}

/// What was found among the rows of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Duplicates among those that looked new.
    pub(super) among_new: u64,
    /// Duplicates among the suspects.
    pub(super) among_suspects: u64,
}

/// Expected duplicates among the suspects of a batch below which it is worth a try without care: a try that fails costs
/// about as much as care.
const WORTH_A_TRY: f64 = 0.05;

/// Batches in a row that go the careful way before another one is tried, at most.
const MOST_CAUTION: u32 = 16;

/// Chooses the way of the readings, from what was found in the batches before.
#[derive(Debug)]
pub(super) struct Router {
    /// What part of the suspects were duplicates, lately.
    doubt: f64,
    /// Batches that are still to go the careful way.
    caution: u32,
    /// How many that will be at the next surprise.
    next_caution: u32,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            doubt: 1.0,
            caution: 0,
            next_caution: 1,
        }
    }
}

impl Router {
    /// The way of a batch with so many suspects.
    pub(super) fn way(&self, suspects: u64) -> Way {
        if self.caution > 0 {
            Way::Careful
        } else if self.doubt * suspects as f64 <= WORTH_A_TRY {
            Way::Direct
        } else {
            Way::Split
        }
    }

    /// The way after this one has met a duplicate.
    pub(super) fn after_duplicate(&mut self, way: Way, suspects: u64) -> Way {
        if way == Way::Direct && suspects > 0 {
            return Way::Split;
        }
        // one that looked new was there already, and more like it may follow
        self.caution = self.next_caution;
        self.next_caution = (2 * self.next_caution).min(MOST_CAUTION);
        way.max(Way::Careful)
    }

    /// A batch with so many suspects has gone this way, and that was found.
    pub(super) fn learn(&mut self, way: Way, suspects: u64, found: Found) {
        if suspects > 0 {
            self.doubt = f64::midpoint(self.doubt, found.among_suspects as f64 / suspects as f64);
        }
        if way < Way::Careful {
            self.next_caution = 1;
        } else if found.among_new == 0 {
            (self.caution, self.next_caution) = (0, 1);
        } else {
            self.caution = self.caution.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(among_new: u64, among_suspects: u64) -> Found {
        Found {
            among_new,
            among_suspects,
        }
    }

    #[test]
    fn without_suspects_the_quick_way_is_taken() {
        assert_eq!(Router::default().way(0), Way::Direct);
    }

    #[test]
    fn suspects_go_apart_until_they_have_proven_harmless() {
        let mut router = Router::default();
        let mut ways = Vec::new();
        for _ in 0..20 {
            let way = router.way(200);
            router.learn(way, 200, found(0, 0));
            ways.push(way);
        }
        assert_eq!((ways[0], ways[19]), (Way::Split, Way::Direct));
        assert!(ways.is_sorted_by(|a, b| a >= b));

        assert_eq!(router.after_duplicate(Way::Direct, 200), Way::Split);
        router.learn(Way::Split, 200, found(0, 10));
        assert_eq!(router.way(200), Way::Split);
    }

    #[test]
    fn surprises_make_cautious_and_calm_makes_bold() {
        let mut router = Router::default();
        let mut careful = 0;
        // a file that is replayed: everything looks new, and nothing is
        for _ in 0..100 {
            let mut way = router.way(0);
            if way == Way::Direct {
                way = router.after_duplicate(way, 0);
            } else {
                careful += 1;
            }
            assert_eq!(way, Way::Careful);
            router.learn(way, 0, found(1_000, 0));
        }
        assert!(careful > 85, "only {careful} of 100 went the careful way at once");
        router.learn(Way::Careful, 0, found(0, 0));
        assert_eq!(router.way(0), Way::Direct);
    }

    #[test]
    fn one_surprise_costs_one_batch() {
        let mut router = Router::default();
        let way = router.after_duplicate(Way::Split, 10);
        router.learn(way, 10, found(1, 10));
        assert_eq!(router.way(0), Way::Direct);
    }
}
