//! What a seed stands for.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::TimeDelta;
use stream_aggregator::machine::Settings;
use windowing::WindowConfig;

use crate::broker::Protocol;
use crate::dice::Dice;
use crate::process::Traits;
use crate::time::Ms;

/// How producers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// Without transactions.
    Plain,
    /// Some within transactions that end soon.
    Transactions,
    /// Some within transactions that take long to end.
    Hanging,
}

/// The circumstances of one run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// How partitions are shared.
    pub protocol: Protocol,
    /// The partitions.
    pub partitions: BTreeSet<i32>,
    /// How many farms each has.
    pub farms: i64,
    /// How many processes are wanted.
    pub processes: usize,
    /// Whether they have names that outlive a restart.
    pub has_names: bool,
    /// When windows close.
    pub windows: WindowConfig,
    /// Whether each process is told another grace and idle time.
    pub settings_differ: bool,
    /// The longest time between two commits.
    pub commit_interval: Ms,
    /// When the broker aborts a transaction.
    pub transaction_timeout: Ms,
    /// When a member is given up.
    pub session_timeout: Ms,
    /// How long readings are there before anybody reads them.
    pub backlog: Ms,
    /// For how long something is done to somebody.
    pub turmoil: Ms,
    /// Between two such things, at most.
    pub peace: Ms,
    /// How producers write.
    pub upstream: Upstream,
    /// Whether the broker's clock goes back now and then.
    pub clock_steps_back: bool,
    /// How long a commit's markers take at most.
    pub marker_delay: Ms,
    /// How long new records are on their way at most.
    lag: Ms,
    overtakings: i64,
    stalls: i64,
    slow_calls: i64,
    lost_records: i64,
    hidden_checkpoints: i64,
}

impl Scenario {
    /// The circumstances that `dice` gives.
    pub fn of(dice: &mut Dice) -> Self {
        Self {
            protocol: dice.pick(&[Protocol::Classic, Protocol::Classic, Protocol::Consumer]),
            partitions: (0..dice.pick(&[1, 2, 2, 3, 4])).collect(),
            farms: dice.between(1, 3),
            processes: dice.pick(&[1, 2, 2, 3]),
            has_names: dice.percent(30),
            windows: windows(dice),
            commit_interval: dice.pick(&[100, 300, 1_000]),
            transaction_timeout: dice.pick(&[2_000, 4_000, 8_000]),
            session_timeout: dice.pick(&[2_000, 4_000]),
            backlog: dice.pick(&[0, 0, 3_000, 15_000]),
            turmoil: dice.pick(&[0, 10_000, 15_000, 25_000]),
            peace: dice.pick(&[600, 1_500, 4_000]),
            upstream: dice.pick(&[
                Upstream::Plain,
                Upstream::Transactions,
                Upstream::Transactions,
                Upstream::Hanging,
            ]),
            clock_steps_back: dice.percent(10),
            marker_delay: dice.pick(&[0, 0, 100, 400]),
            lag: dice.pick(&[0, 50, 200]),
            overtakings: dice.pick(&[0, 5, 25]),
            stalls: dice.pick(&[0, 0, 20]),
            slow_calls: dice.pick(&[0, 5, 20]),
            lost_records: dice.pick(&[0, 0, 5]),
            hidden_checkpoints: dice.pick(&[0, 0, 20]),
            settings_differ: dice.percent(15),
        }
    }

    /// Whether everybody would close the same windows at the same place of the log: so it is unless records show up
    /// long after they were appended, or append times go back, or settings differ.
    pub fn is_determined(&self) -> bool {
        self.upstream != Upstream::Hanging && !self.clock_steps_back && !self.settings_differ
    }

    /// What a process is told; `start` counts processes that were started, `place` is among those wanted.
    pub fn traits(&self, place: usize, start: u32) -> Traits {
        let name = if self.has_names {
            format!("name-{place}")
        } else {
            format!("start-{start}")
        };
        Traits {
            id: name.clone(),
            instance: self.has_names.then_some(name),
            settings: self.settings(start),
            lag: self.lag,
            overtakings: self.overtakings,
            stalls: self.stalls,
            slow_registry: 50,
            slow_calls: self.slow_calls,
            lost_records: self.lost_records,
            hidden_checkpoints: self.hidden_checkpoints,
            mistake: None,
        }
    }

    /// What the machine of such a process is told.
    pub fn settings(&self, start: u32) -> Settings {
        let mut windows = self.windows;
        if self.settings_differ {
            let mut dice = Dice::new(u64::from(start));
            windows = differing(&mut dice, windows.size());
        }
        Settings {
            topic: "readings".to_owned(),
            windows,
            commit_interval: Duration::from_millis(self.commit_interval as u64),
        }
    }
}

fn windows(dice: &mut Dice) -> WindowConfig {
    let size = TimeDelta::from_millis(dice.pick(&[1_000, 2_000, 4_000, 10_000]));
    differing(dice, size)
}

/// Windows of that size that close whenever.
fn differing(dice: &mut Dice, size: TimeDelta) -> WindowConfig {
    let mut pick = |from: &[Ms]| TimeDelta::from_millis(dice.pick(from));
    let grace = pick(&[0, 300, 1_000, 3_000]);
    let idle_after = pick(&[500, 1_000, 3_000]);
    WindowConfig::new(size, grace, idle_after).expect("all of them make sense")
}
