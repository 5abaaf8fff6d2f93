//! Scripts as tests: one line an event, and beside it what came of it; a window that closes is drawn.
//!
//! - `read A/T1 10:00:05 [wind=8]`: a valid reading, appended now (log time moves only when told to)
//! - `reject A/T1 10:00:05`: one that broke a rule; `other`: a record that windows cannot take
//! - `log +6s`: log time moves on, which the next record will show; `tick +6s`: it runs on by itself at the end
//! - `recover [grace=1s]`: the process is killed, and another one starts from what was committed after the last
//!   record, maybe with another `grace` or `size`
//! - `state`: what is open, what a restart needs, and what the checkpoint holds

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::{FarmWindow, Metric, TimeDelta, Timestamp};
use expect_test::Expect;
use windowing::{ClosedWindow, Outcome, PartitionWindows, WindowConfig};

use crate::log::{Body, Record, Report, commit, drive, recover};

const DAY: &str = "2026-11-23T";

/// When log time begins; unlike event time it is shown in seconds since then.
const LOG_BEGIN: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Windows of a minute are drawn with this many places of 5 s.
const PLACES: i64 = 12;

/// Runs `script` with the default settings and compares what it shows.
pub(crate) fn check(script: &str, expected: &Expect) {
    let mut run = Run {
        config: WindowConfig::default(),
        windows: PartitionWindows::new(WindowConfig::default()),
        log: Vec::new(),
        now: LOG_BEGIN,
        drawings: BTreeMap::new(),
        shown: String::new(),
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        run.line(line);
    }
    expected.assert_eq(&run.shown);
}

struct Run {
    config: WindowConfig,
    windows: PartitionWindows,
    log: Vec<Record>,
    now: Timestamp,
    /// Of each (farm, window start) the turbines that reported, each at its place.
    drawings: BTreeMap<(String, Timestamp), Vec<char>>,
    shown: String,
}

impl Run {
    fn line(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let (said, closed) = match words[..] {
            ["read", who, when] => self.read(&report(who, when), 8.0),
            ["read", who, when, wind] => {
                let wind = wind.strip_prefix("wind=").unwrap().parse().unwrap();
                self.read(&report(who, when), wind)
            }
            ["reject", who, when] => (String::new(), self.append(Body::Rejected(report(who, when))).1),
            ["other"] => (String::new(), self.append(Body::Other).1),
            ["log", distance] => {
                self.now = self.now + seconds(distance);
                (self.log_time(), Vec::new())
            }
            ["tick", distance] => {
                self.now = self.now + seconds(distance);
                (self.log_time(), self.windows.advance(self.now))
            }
            ["recover"] => (self.recover(), Vec::new()),
            ["recover", change] => {
                self.change(change);
                (self.recover(), Vec::new())
            }
            ["state"] => (self.state(), Vec::new()),
            _ => panic!("no such event: {line}"),
        };
        writeln!(self.shown, "{}", format!("{line:<36}{said}").trim_end()).unwrap();
        for window in &closed {
            self.draw(window);
        }
    }

    fn read(&mut self, report: &Report, wind: f64) -> (String, Vec<ClosedWindow>) {
        let (outcome, closed) = self.append(Body::Reading(report.clone(), wind));
        let said = match outcome.unwrap() {
            Outcome::Accepted => {
                self.mark(report);
                "accepted".to_owned()
            }
            Outcome::Duplicate => "duplicate".to_owned(),
            Outcome::Late { by, window_start } => {
                format!(
                    "late for {} by {} s",
                    short(window_start),
                    by.as_millis() as f64 / 1e3
                )
            }
        };
        (said, closed)
    }

    fn append(&mut self, body: Body) -> (Option<Outcome>, Vec<ClosedWindow>) {
        self.log.push(Record {
            appended_at: self.now,
            body,
        });
        let index = self.log.len() - 1;
        drive(&mut self.windows, index, &self.log[index])
    }

    fn recover(&mut self) -> String {
        let commit = commit(&self.windows, self.log.len());
        self.windows = recover(self.config, &commit, &self.log);
        format!("from offset {} to {}", commit.offset, commit.position)
    }

    fn change(&mut self, change: &str) {
        let (what, length) = change.split_once('=').unwrap();
        let length = seconds(&format!("+{length}"));
        let (size, grace) = match what {
            "size" => (length, self.config.grace()),
            "grace" => (self.config.size(), length),
            _ => panic!("no such setting: {what}"),
        };
        self.config = WindowConfig::new(size, grace, self.config.idle_after()).unwrap();
    }

    fn state(&self) -> String {
        let commit = commit(&self.windows, self.log.len());
        let closed: Vec<_> = commit
            .closed_until
            .iter()
            .map(|(farm, until)| format!("{farm} until {}", short(*until)))
            .collect();
        format!(
            "{} open, needs {} of {}, closed: {}",
            self.windows.open_windows(),
            commit.offset,
            commit.position,
            closed.join(", ")
        )
    }

    fn mark(&mut self, report: &Report) {
        let start = report.event_time.floor_to(self.config.size());
        let place = report.event_time.since(start).as_micros() * PLACES / self.config.size().as_micros();
        let drawing = self
            .drawings
            .entry((report.farm.clone(), start))
            .or_insert_with(|| vec!['·'; PLACES as usize]);
        drawing[place as usize] = match drawing[place as usize] {
            '·' => report.turbine.chars().next_back().unwrap(),
            _ => '*',
        };
    }

    fn draw(&mut self, closed: &ClosedWindow) {
        let farm = &closed.farm;
        let key = (farm.farm_id.to_string(), farm.window_start);
        let drawing: String = self
            .drawings
            .remove(&key)
            .unwrap_or_default()
            .into_iter()
            .collect();
        let wind = farm.metrics.get(Metric::WindSpeed).unwrap();
        let (min, max) = (wind.min(), wind.max());
        writeln!(
            self.shown,
            "    {} {} |{drawing}| {} {}: {}, wind {} {} to {} {}",
            farm.farm_id,
            short(farm.window_start),
            short(farm.window_end),
            closed.close_reason.as_str(),
            counts(farm),
            min.value,
            min.turbine_id,
            max.value,
            max.turbine_id
        )
        .unwrap();
    }

    fn log_time(&self) -> String {
        format!("log time {} s", self.now.since(LOG_BEGIN).as_millis() / 1_000)
    }
}

fn counts(farm: &FarmWindow) -> String {
    let counts = [
        (farm.reading_count, "read"),
        (farm.duplicate_count, "duplicate"),
        (farm.rejected_count, "rejected"),
    ];
    let told: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    told.join(", ")
}

fn report(who: &str, when: &str) -> Report {
    let (farm, turbine) = who.split_once('/').unwrap();
    Report {
        farm: farm.to_owned(),
        turbine: turbine.to_owned(),
        event_time: time(when),
    }
}

/// A time of the day of the scripts, or any in full.
fn time(text: &str) -> Timestamp {
    let full = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{DAY}{text}Z")
    };
    full.parse().unwrap()
}

fn seconds(text: &str) -> TimeDelta {
    let number = text.strip_prefix('+').and_then(|text| text.strip_suffix('s'));
    TimeDelta::from_secs(number.unwrap().parse().unwrap())
}

/// As [`time`] reads it, and without the seconds where there are none.
fn short(time: Timestamp) -> String {
    let text = time.to_string();
    match text.strip_prefix(DAY) {
        Some(rest) => {
            let rest = rest.trim_end_matches('Z');
            rest.strip_suffix(":00")
                .filter(|rest| rest.contains(':'))
                .unwrap_or(rest)
                .to_owned()
        }
        None => text,
    }
}
