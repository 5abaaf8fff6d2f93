//! Many small worlds, each from its seed.

use simulation::{Mistake, run};

/// As many as take some seconds; `cargo xtask simulate` runs more.
const SEEDS: u64 = 400;

/// Within so many seeds every mistake is noticed.
const ENOUGH: u64 = 1_000;

#[test]
fn whatever_happens_each_window_is_sent_once_and_equals_the_naive_group_by() {
    for seed in 1..=SEEDS {
        let report = run(seed, None);
        assert!(
            report.is_good(),
            "seed {seed}:\n{report}to see it: cargo xtask simulate --first-seed {seed} --trace"
        );
    }
}

#[test]
fn a_seed_always_gives_the_same() {
    for seed in 1..20 {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
}

#[test]
fn every_mistake_is_noticed() {
    for mistake in Mistake::ALL {
        // nothing wrong comes of waiting but that others wait, too
        let is_seen = |seed: &u64| {
            let report = run(*seed, Some(mistake));
            !report.wrong.is_empty() || (mistake == Mistake::WaitsWithTransactionOpen && !report.is_good())
        };
        assert!(
            (1..=ENOUGH).any(|seed| is_seen(&seed)),
            "nobody notices {mistake}"
        );
    }
}
