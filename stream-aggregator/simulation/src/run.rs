//! One run: a scenario, what is done to whom, and what the judge says of it.

use std::fmt;

use stream_aggregator::machine::{Output, Question, Trouble};

use crate::broker::{Broker, Group};
use crate::dice::Dice;
use crate::judge::judge;
use crate::mistake::Mistake;
use crate::process::{Doom, Planned, Process};
use crate::scenario::Scenario;
use crate::time::Ms;
use crate::workload::Workload;

/// How long everything may take to come to rest.
const PATIENCE: Ms = 180_000;

/// Reasons to end that have to do with what was done to a process.
const FAIR_REASONS: [&str; 2] = ["refused more than", "aborted"];

/// What has happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Processes killed.
    pub kills: u32,
    /// Processes that slept.
    pub freezes: u32,
    /// Processes told to end.
    pub terminations: u32,
    /// Processes that ended with a reason.
    pub failures: u32,
    /// Transactions committed.
    pub commits: u32,
    /// Records that readers see.
    pub records: u64,
    /// Windows of farms.
    pub windows: u64,
    /// Late readings.
    pub late: u64,
    /// What the programs have done that none may do.
    pub violations: Vec<String>,
    /// What is wrong with what came out.
    pub wrong: Vec<String>,
    /// What has happened, with its time in milliseconds, if that was wanted.
    pub journal: Vec<(Ms, String)>,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn is_good(&self) -> bool {
        self.violations.is_empty() && self.wrong.is_empty()
    }
}

impl fmt::Display for Report {
    /// What is wrong, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in self.violations.iter().chain(&self.wrong) {
            writeln!(f, "  {what}")?;
        }
        Ok(())
    }
}

/// Runs the scenario of a seed, everybody making that mistake.
pub fn run(seed: u64, mistake: Option<Mistake>) -> Report {
    Run::of(seed, mistake).finish()
}

/// The same, writing down what happens.
pub fn trace(seed: u64, mistake: Option<Mistake>) -> Report {
    let mut run = Run::of(seed, mistake);
    let scenario = format!("{:#?}", run.scenario);
    run.broker.journal = Some(vec![(0, scenario)]);
    run.finish()
}

struct Run {
    scenario: Scenario,
    mistake: Option<Mistake>,
    broker: Broker,
    workload: Workload,
    places: Vec<Place>,
    /// Processes that were started.
    starts: u32,
    report: Report,
    dice: Dice,
}

/// Where a process runs, or will run again.
#[derive(Default)]
struct Place {
    process: Option<Process>,
    starts_at: Ms,
}

impl Run {
    fn of(seed: u64, mistake: Option<Mistake>) -> Self {
        let mut dice = Dice::new(seed);
        let scenario = Scenario::of(&mut dice);
        Self::new(scenario, mistake, dice)
    }

    fn finish(mut self) -> Report {
        self.go();
        self.report()
    }

    fn new(scenario: Scenario, mistake: Option<Mistake>, mut dice: Dice) -> Self {
        let group = Group::new(
            scenario.protocol,
            scenario.partitions.clone(),
            scenario.session_timeout,
            dice.fork(),
        );
        let mut broker = Broker::new(
            group,
            &scenario.partitions,
            scenario.transaction_timeout,
            dice.fork(),
        );
        broker.marker_delay = scenario.marker_delay;
        Self {
            workload: Workload::of(&scenario, dice.fork()),
            places: (0..scenario.processes).map(|_| Place::default()).collect(),
            scenario,
            mistake,
            broker,
            starts: 0,
            report: Report::default(),
            dice,
        }
    }

    fn go(&mut self) {
        let begin = self.scenario.backlog;
        while self.broker.now < begin {
            self.pass(50);
        }
        for place in &mut self.places {
            place.starts_at = begin + self.dice.below(3_000);
        }
        let end = begin + self.scenario.turmoil;
        let mut next = begin;
        while self.broker.now < end {
            if self.broker.now >= next {
                next = self.broker.now + self.dice.between(50, self.scenario.peace);
                self.trouble_somebody();
            }
            self.turn();
        }
        self.settle();
    }

    /// Everybody does a little.
    fn turn(&mut self) {
        let step = self.dice.between(20, 100);
        self.pass(step);
        self.start_missing();
        for place in &mut self.places {
            if let Some(process) = &mut place.process {
                let most = self.dice.pick(&[1, 5, 100]);
                process.step(&mut self.broker, most);
            }
        }
        self.clear_away();
    }

    fn pass(&mut self, step: Ms) {
        self.broker.tick(self.broker.now + step);
        self.workload.produce(&mut self.broker);
    }

    fn start_missing(&mut self) {
        for (place, slot) in self.places.iter_mut().enumerate() {
            if slot.process.is_none() && slot.starts_at <= self.broker.now {
                self.starts += 1;
                let mut traits = self.scenario.traits(place, self.starts);
                traits.mistake = self.mistake;
                slot.process = Some(Process::start(traits, &mut self.broker, self.dice.fork()));
            }
        }
    }

    /// A supervisor starts again what has ended.
    fn clear_away(&mut self) {
        for slot in &mut self.places {
            if let Some(process) = slot.process.take_if(|process| process.is_gone()) {
                slot.starts_at = self.broker.now + self.dice.pick(&[0, 500, 3_000, 9_000]);
                if let Some(why) = process.failed {
                    self.report.failures += 1;
                    if !FAIR_REASONS.iter().any(|fair| why.contains(fair)) {
                        self.broker.violations.push(format!("a process has ended: {why}"));
                    }
                }
            }
        }
    }

    fn trouble_somebody(&mut self) {
        let place = self.dice.below(self.places.len() as i64) as usize;
        let calls = self.dice.pick(&[0, 3, 10, 40]);
        let calls = self.dice.below(calls + 1) as u32;
        let what = self.dice.below(20);
        match what {
            16 => return self.broker.group.rebalance(self.broker.now),
            17 => return self.compact(),
            18 => return self.delete_old_readings(),
            _ => {}
        }
        let Some(process) = &mut self.places[place].process else {
            return;
        };
        match what {
            0..=4 => {
                process.doom = Some((calls, Doom::Dies));
                self.report.kills += 1;
            }
            5..=9 => {
                let time = self.dice.pick(&[300, 3_000, 6_000, 12_000]);
                process.doom = Some((calls, Doom::Freezes(self.dice.between(time / 2, time))));
                self.report.freezes += 1;
            }
            10..=12 => {
                process.terminate();
                self.report.terminations += 1;
            }
            _ => process.planned.push(some_trouble(&mut self.dice)),
        }
    }

    fn compact(&mut self) {
        for &partition in &self.scenario.partitions {
            self.broker.results.compact(partition);
        }
    }

    /// What nobody needs any more.
    fn delete_old_readings(&mut self) {
        for (partition, (offset, _)) in &self.broker.committed {
            if let Some(log) = self.broker.logs.get_mut(partition) {
                log.delete_before(*offset);
            }
        }
    }

    /// Everything comes to its end, and nobody is troubled any more.
    fn settle(&mut self) {
        self.workload.finish(&mut self.broker);
        let deadline = self.broker.now + PATIENCE;
        while self.broker.now < deadline && !self.is_settled() {
            for slot in &mut self.places {
                slot.starts_at = slot.starts_at.min(self.broker.now + 1_000);
                if let Some(process) = &mut slot.process {
                    process.leave_alone(self.broker.now);
                }
            }
            self.broker.tick(self.broker.now + 100);
            self.start_missing();
            for slot in &mut self.places {
                if let Some(process) = &mut slot.process {
                    process.step(&mut self.broker, 100);
                }
            }
            self.clear_away();
        }
    }

    /// Whether everything is processed, no window open and nothing on its way.
    fn is_settled(&self) -> bool {
        let is_done = |partition: &i32| {
            let last = self
                .broker
                .logs
                .get(partition)
                .and_then(|log| log.records().last());
            let Some((last, _)) = last else { return true };
            let Some((offset, metadata)) = self.broker.committed.get(partition) else {
                return false;
            };
            let metadata: stream_aggregator::machine::Metadata = match metadata.parse() {
                Ok(metadata) => metadata,
                Err(_) => return false,
            };
            metadata.processed > last && *offset == metadata.processed
        };
        self.broker.is_calm() && self.scenario.partitions.iter().all(is_done)
    }

    fn report(mut self) -> Report {
        for (partition, log) in &self.broker.logs {
            for (offset, entry) in log.records() {
                if let Some(journal) = &mut self.broker.journal {
                    let what = format!(
                        "partition {partition}, {offset}: {}",
                        entry.text().unwrap_or_default()
                    );
                    journal.push((crate::time::since_begin(entry.appended_at), what));
                }
            }
        }
        let (windows, determined) = (self.scenario.windows, self.scenario.is_determined());
        self.report.wrong = judge(&self.broker, &windows, determined);
        self.report.commits = self.broker.commits;
        for (_, output) in self.broker.results.committed() {
            match output {
                Output::FarmWindow(_) => self.report.windows += 1,
                Output::Late { .. } => self.report.late += 1,
                Output::TurbineWindow(_) | Output::DeadLetter { .. } | Output::Checkpoint(_) => {}
            }
        }
        self.report.records = self
            .broker
            .logs
            .values()
            .map(|log| log.records().count() as u64)
            .sum();
        self.report.violations = self.broker.violations;
        self.report.journal = self.broker.journal.unwrap_or_default();
        self.report.journal.sort_by_key(|(at, _)| *at);
        self.report
    }
}

/// A call that fails once.
fn some_trouble(dice: &mut Dice) -> Planned {
    let questions: [fn(&Question) -> bool; 6] = [
        |question| matches!(question, Question::Drain),
        |question| matches!(question, Question::SendOffsets(_)),
        |question| matches!(question, Question::Commit),
        |question| matches!(question, Question::ReadCommitted { .. }),
        |question| matches!(question, Question::ReadCheckpoint { .. }),
        |question| matches!(question, Question::Seek { .. }),
    ];
    let place = dice.below(6) as usize;
    let why = "so it was decided".to_owned();
    Planned {
        applies: questions[place],
        trouble: match dice.below(3) {
            0 => Trouble::Retry(why),
            1 => Trouble::Abort(why),
            _ => Trouble::Fenced(why),
        },
        is_done: dice.percent(50),
    }
}
