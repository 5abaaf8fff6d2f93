//! Two partitions and the processes that may have them, each moved by hand.

use std::time::Duration;

use domain::{CloseReason, TimeDelta};
use simulation::Mistake;
use simulation::broker::{Broker, Group, Protocol};
use simulation::dice::Dice;
use simulation::judge::judge;
use simulation::process::{Input, Planned, Process, Traits};
use simulation::time::{Ms, at};
use stream_aggregator::machine::{Hindrance, Output, Question, Settings, Trouble};
use windowing::WindowConfig;

/// Members are not given up, unless a test does it.
const SESSION_TIMEOUT: Ms = 1_000_000_000;

/// How long the broker waits for the end of a transaction.
const TRANSACTION_TIMEOUT: Ms = 30_000;

/// Windows of 10 s, 3 s of grace, quiet after 5 s, a commit each second.
pub(crate) fn settings() -> Settings {
    let secs = TimeDelta::from_secs;
    Settings {
        topic: "readings".to_owned(),
        windows: WindowConfig::new(secs(10), secs(3), secs(5)).unwrap(),
        commit_interval: Duration::from_secs(1),
    }
}

/// A broker with partitions 0 and 1, and a process that is moved by hand. What is not told is of partition 0.
pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) process: Process,
    /// How much later than the tests tell readings are appended, so that no clock seems to be ahead.
    pub(crate) delay: Ms,
    mistake: Option<Mistake>,
    starts: u32,
}

impl Stage {
    /// A log that holds (append time in seconds, text), and a process that has not been given anything yet.
    pub(crate) fn of(log: &[(f64, &str)]) -> Self {
        Self::with_mistake(log, None)
    }

    pub(crate) fn with_mistake(log: &[(f64, &str)], mistake: Option<Mistake>) -> Self {
        let partitions = [0, 1].into();
        let group = Group::new(Protocol::Classic, [0, 1].into(), SESSION_TIMEOUT, Dice::new(1));
        let mut broker = Broker::new(group, &partitions, TRANSACTION_TIMEOUT, Dice::new(1));
        let process = Process::start(traits(1, mistake), &mut broker, Dice::new(1));
        let mut stage = Self {
            broker,
            process,
            delay: 1_000_000,
            mistake,
            starts: 1,
        };
        stage.append(log);
        stage
    }

    /// The same, and the process has the partition.
    pub(crate) fn started(log: &[(f64, &str)]) -> Self {
        let mut stage = Self::of(log);
        stage.start();
        stage
    }

    /// The process is given the partition.
    pub(crate) fn start(&mut self) {
        self.process.consumer.adopt(&mut self.broker);
        self.assign(0);
    }

    pub(crate) fn assign(&mut self, partition: i32) {
        self.process
            .happen(Input::Assigned(vec![partition]), &mut self.broker);
    }

    /// The process is gone, and another one, which that one knows nothing of, is given the partition.
    pub(crate) fn restart(&mut self) {
        self.replace();
        self.start();
    }

    /// The same, and the other one has less grace.
    pub(crate) fn restart_with_grace(&mut self, grace_s: i64) {
        let secs = TimeDelta::from_secs;
        self.starts += 1;
        let mut traits = traits(self.starts, self.mistake);
        traits.settings.windows = WindowConfig::new(secs(10), secs(grace_s), secs(5)).unwrap();
        self.process = Process::start(traits, &mut self.broker, Dice::new(u64::from(self.starts)));
        self.start();
    }

    /// Another process takes the place of this one, which is given back, and may be alive.
    pub(crate) fn replace(&mut self) -> Process {
        self.starts += 1;
        let traits = traits(self.starts, self.mistake);
        let another = Process::start(traits, &mut self.broker, Dice::new(u64::from(self.starts)));
        std::mem::replace(&mut self.process, another)
    }

    pub(crate) fn append(&mut self, log: &[(f64, &str)]) {
        self.append_to(0, log);
    }

    pub(crate) fn append_to(&mut self, partition: i32, log: &[(f64, &str)]) {
        let (now, delay) = (self.broker.now, self.delay);
        let partition = self.broker.logs.get_mut(&partition).unwrap();
        for &(seconds, text) in log {
            partition.append(at(delay + (seconds * 1_000.0) as Ms), now, text.to_owned());
        }
    }

    /// Reads all that there is, and the end.
    pub(crate) fn read(&mut self) {
        self.read_up_to(usize::MAX);
    }

    pub(crate) fn read_up_to(&mut self, most: usize) {
        for input in self.process.consumer.poll(&self.broker, most) {
            self.process.happen(input, &mut self.broker);
        }
    }

    pub(crate) fn tick(&mut self, after_ms: Ms) {
        self.broker.tick(self.broker.now + after_ms);
        self.process.happen(Input::Tick, &mut self.broker);
    }

    /// Commits what there is.
    pub(crate) fn commit(&mut self) {
        self.tick(0);
        self.tick(1_000);
    }

    /// Reads on and waits until every window has closed.
    pub(crate) fn settle(&mut self) {
        for _ in 0..5 {
            self.tick(600);
            self.read();
        }
        self.wait(40);
        self.read();
        self.commit();
    }

    /// Ticks as the shell does when there is nothing to read.
    pub(crate) fn wait(&mut self, seconds: Ms) {
        for _ in 0..seconds * 20 {
            self.tick(50);
        }
    }

    pub(crate) fn revoke(&mut self, lost: bool) {
        let partitions = vec![0];
        self.process
            .happen(Input::Revoked { partitions, lost }, &mut self.broker);
    }

    /// The next question of that kind will be answered with that.
    pub(crate) fn plan(&mut self, applies: fn(&Question) -> bool, trouble: Trouble) {
        self.process.planned.push(Planned {
            applies,
            trouble,
            is_done: false,
        });
    }

    pub(crate) fn committed(&self) -> (i64, &str) {
        let (offset, metadata) = &self.broker.committed[&0];
        (*offset, metadata)
    }

    /// What readers of committed records see, in short.
    pub(crate) fn outputs(&self) -> Vec<String> {
        let seen = self.broker.results.committed();
        seen.map(|(_, output)| told(output)).collect()
    }

    /// The turbines with suspicious clocks in the window of north that begins at that second.
    pub(crate) fn suspicious(&self, second: Ms) -> Vec<String> {
        let of = |output: &Output| match output {
            Output::FarmWindow(closed) if closed.window.window_start == at(second * 1_000) => {
                Some(closed.window.suspicious_clocks.clone())
            }
            Output::FarmWindow(_)
            | Output::TurbineWindow(_)
            | Output::Late { .. }
            | Output::DeadLetter { .. }
            | Output::Checkpoint(_) => None,
        };
        let found = self.broker.results.committed().find_map(|(_, output)| of(output));
        found.unwrap().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn hindrances(&self) -> Vec<Hindrance> {
        self.process.machine.hindrances().collect()
    }

    /// What is wrong, by the judge of the seeds and by what no program may do.
    pub(crate) fn verdict(&self) -> Vec<String> {
        let mut wrong = judge(&self.broker, &settings().windows, true);
        wrong.extend(self.broker.violations.iter().cloned());
        wrong
    }
}

fn traits(start: u32, mistake: Option<Mistake>) -> Traits {
    Traits {
        id: format!("start-{start}"),
        instance: None,
        settings: settings(),
        lag: 0,
        overtakings: 0,
        stalls: 0,
        slow_registry: 0,
        slow_calls: 0,
        lost_records: 0,
        hidden_checkpoints: 0,
        mistake,
    }
}

fn told(output: &Output) -> String {
    match output {
        Output::FarmWindow(closed) => {
            let reason = match closed.close_reason {
                CloseReason::StreamTime => "stream time",
                CloseReason::Idle => "idle",
            };
            let window = &closed.window;
            let start = window.window_start.since(at(0)).as_millis() / 1_000;
            let (farm, readings) = (&window.farm_id, window.reading_count);
            format!("{farm} at {start}: {readings} by {reason}")
        }
        Output::TurbineWindow(closed) => format!("  {}", closed.window.turbine_id),
        Output::Late { by_ms, original, .. } => format!("{} late by {by_ms} ms", original.offset),
        Output::DeadLetter { original, .. } => format!("{} refused", original.offset),
        Output::Checkpoint(checkpoint) => format!("checkpoint of {} farms", checkpoint.farms.len()),
    }
}
