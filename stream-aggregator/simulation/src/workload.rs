//! What producers append: farms that are live, quiet, behind, replaying or broken.

use crate::broker::Broker;
use crate::dice::Dice;
use crate::scenario::{Scenario, Upstream};
use crate::time::{Ms, at};

/// The broker refuses what is so far ahead of it.
const TOO_FAR_AHEAD: Ms = 31_000;

/// All producers.
#[derive(Debug)]
pub struct Workload {
    farms: Vec<Farm>,
    upstream: Upstream,
    clock_steps_back: bool,
    /// Transactions that have not ended: partition, number, when they will.
    open: Vec<(i32, u32, Ms)>,
    transactions: u32,
    /// By how much the broker's clock is behind.
    behind: Ms,
    dice: Dice,
}

#[derive(Debug)]
struct Farm {
    name: String,
    partition: i32,
    turbines: i64,
    /// Between two readings.
    interval: Ms,
    /// Event times are multiples of this, so that some are there twice.
    step: Ms,
    mood: Mood,
    mood_until: Ms,
    next_at: Ms,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    /// Event times are those of now, out of order by a little.
    Live {
        disorder: Ms,
    },
    Quiet,
    /// Event times run through the past, this much faster than time.
    Replaying {
        from: Ms,
        since: Ms,
        speed: Ms,
    },
    /// A clock that is wrong.
    Shifted {
        by: Ms,
    },
    /// The clock of one turbine is ahead.
    OneAhead {
        turbine: i64,
        by: Ms,
    },
    /// Everything breaks a rule.
    Broken,
}

impl Workload {
    /// The producers of a scenario.
    pub fn of(scenario: &Scenario, mut dice: Dice) -> Self {
        let mut farms = Vec::new();
        for &partition in &scenario.partitions {
            for farm in 0..scenario.farms {
                farms.push(Farm {
                    name: format!("p{partition}-farm{farm}"),
                    partition,
                    turbines: dice.between(1, 3),
                    interval: dice.pick(&[100, 250, 700]),
                    step: dice.pick(&[1, 250, 500]),
                    mood: Mood::Live { disorder: 0 },
                    mood_until: dice.below(4_000),
                    next_at: dice.below(1_000),
                });
            }
        }
        Self {
            farms,
            upstream: scenario.upstream,
            clock_steps_back: scenario.clock_steps_back,
            open: Vec::new(),
            transactions: 0,
            behind: 0,
            dice,
        }
    }

    /// Appends what is due.
    pub fn produce(&mut self, broker: &mut Broker) {
        self.end_transactions(broker, false);
        if self.clock_steps_back && self.dice.permille(10) {
            self.behind = self.dice.below(4_000);
        }
        for place in 0..self.farms.len() {
            while self.farms[place].next_at <= broker.now {
                let farm = &mut self.farms[place];
                let moment = farm.next_at;
                farm.next_at += self.dice.between(1, 2 * farm.interval);
                if let Some(text) = farm.tell(moment, &mut self.dice) {
                    let partition = farm.partition;
                    self.append(broker, partition, moment, text);
                }
            }
        }
    }

    /// Ends all transactions.
    pub fn finish(&mut self, broker: &mut Broker) {
        self.end_transactions(broker, true);
    }

    fn append(&mut self, broker: &mut Broker, partition: i32, moment: Ms, text: String) {
        let behind = self.behind;
        let now = broker.now;
        let Some(log) = broker.logs.get_mut(&partition) else {
            return;
        };
        let appended_at = at(now - behind);
        if self.upstream != Upstream::Plain && self.dice.percent(10) {
            let transaction = self.transactions;
            self.transactions += 1;
            let longest = if self.upstream == Upstream::Hanging {
                8_000
            } else {
                100
            };
            self.open
                .push((partition, transaction, moment + self.dice.between(1, longest)));
            log.append_pending(appended_at, now, text, transaction);
        } else {
            log.append(appended_at, now, text);
        }
    }

    fn end_transactions(&mut self, broker: &mut Broker, all: bool) {
        let now = broker.now;
        for (partition, transaction, _) in self.open.extract_if(.., |(.., at)| all || *at <= now) {
            let commit = self.dice.percent(70);
            if let Some(log) = broker.logs.get_mut(&partition) {
                log.end_transaction(transaction, commit, at(now - self.behind), now);
            }
        }
    }
}

impl Farm {
    fn tell(&mut self, now: Ms, dice: &mut Dice) -> Option<String> {
        if now >= self.mood_until {
            self.change_mood(now, dice);
        }
        if dice.permille(15) {
            return Some(dice.pick(&["nonsense", "schema 7", "schema 8"]).to_owned());
        }
        let turbine = dice.below(self.turbines);
        let event = match self.mood {
            Mood::Quiet => return None,
            Mood::OneAhead { turbine: ahead, by } if ahead == turbine => now + by,
            Mood::OneAhead { .. } => now,
            Mood::Live { disorder } => now - dice.below(disorder + 1),
            Mood::Replaying { from, since, speed } => from + (now - since) * speed,
            Mood::Shifted { by } => now + by,
            Mood::Broken => now,
        };
        let event = (event - event.rem_euclid(self.step)) as f64 / 1_000.0;
        let (name, value) = (&self.name, dice.below(100));
        if matches!(self.mood, Mood::Broken) || dice.percent(4) {
            return Some(format!("{name} T{turbine} {event} NaN"));
        }
        Some(format!("{name} T{turbine} {event} {value}"))
    }

    fn change_mood(&mut self, now: Ms, dice: &mut Dice) {
        self.mood_until = now + dice.between(500, 6_000);
        self.mood = match dice.below(12) {
            0..=3 => Mood::Live {
                disorder: dice.pick(&[0, 300, 1_500, 6_000]),
            },
            4..=6 => Mood::Quiet,
            7 => Mood::Replaying {
                from: now - dice.between(1_000, 100_000),
                since: now,
                speed: dice.pick(&[3, 20]),
            },
            8 => Mood::Shifted {
                by: dice.pick(&[-20_000, -2_000, 2_000, 20_000, TOO_FAR_AHEAD]),
            },
            9 => Mood::Broken,
            _ => Mood::OneAhead {
                turbine: dice.below(self.turbines),
                by: dice.pick(&[1_500, 5_000, 20_000]),
            },
        };
    }
}
