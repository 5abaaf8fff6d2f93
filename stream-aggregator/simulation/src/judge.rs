//! What must have come out, whatever has happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use domain::{Arrival, CloseReason, Closed, FarmId, FarmWindow, Metric, TimeDelta, Timestamp, WindowSummary};
use platform::intake::NotAdmitted;
use stream_aggregator::machine::{Intake, Output, Record};
use windowing::WindowConfig;

use crate::broker::{Broker, Entry};
use crate::naive::{Emitted, Fate, Naive, Rules};
use crate::process::short;
use crate::text::{Texts, parse};

/// The schemas that producers write with and nobody knows.
const SCHEMAS: [u32; 2] = [7, 8];

/// More than any window can wait.
const LONG: i64 = 1_000_000;

type Place = (i32, i64);
type Windows = BTreeMap<(FarmId, Timestamp), FarmWindow>;

/// What is wrong with what readers of committed records see. Every record is counted in one window, late or refused,
/// once; every window is there once, and equals the naive group-by of the readings that were not late. If all is
/// `determined` by the log, so is which those are, and why a window closed.
pub fn judge(broker: &Broker, windows: &WindowConfig, determined: bool) -> Vec<String> {
    let seen = Seen::of(broker);
    let mut wrong = seen.wrong.clone();
    let expected = Expected::of(broker);
    if seen.dead != expected.dead {
        wrong.push(difference("dead letters", &seen.dead, &expected.dead));
    }
    let by_hand = group_by(broker, windows.size(), &seen);
    let sent = seen.windows();
    if sent != by_hand {
        wrong.push(difference_of_maps("windows", &sent, &by_hand));
    }
    for (key, window) in &sent {
        let turbines = seen.turbines.get(key).map_or(0, BTreeSet::len) as u64;
        if turbines != window.turbine_count {
            wrong.push(format!(
                "{key:?}: {turbines} windows of turbines, not {}",
                window.turbine_count
            ));
        }
    }
    if determined {
        let (emitted, late) = naive_run(broker, windows);
        if seen.late != late {
            wrong.push(difference(
                "late readings, which the log determines",
                &seen.late,
                &late,
            ));
        }
        let sent: BTreeSet<Emitted> = seen.emitted().collect();
        if sent != emitted {
            wrong.push(difference("windows, which the log determines", &sent, &emitted));
        }
    }
    wrong
}

/// What readers of committed records see.
#[derive(Default)]
struct Seen {
    late: BTreeSet<Place>,
    dead: BTreeSet<Place>,
    closed: BTreeMap<(FarmId, Timestamp), Closed<FarmWindow>>,
    turbines: BTreeMap<(FarmId, Timestamp), BTreeSet<String>>,
    wrong: Vec<String>,
}

impl Seen {
    fn of(broker: &Broker) -> Self {
        let mut seen = Self::default();
        for (partition, output) in broker.results.committed() {
            if !seen.take(partition, output) {
                seen.wrong
                    .push(format!("partition {partition}: there twice: {}", short(output)));
            }
        }
        seen
    }

    /// False if it was there.
    fn take(&mut self, partition: i32, output: &Output) -> bool {
        match output {
            Output::Late { original, .. } => self.late.insert((partition, original.offset)),
            Output::DeadLetter { original, .. } => self.dead.insert((partition, original.offset)),
            Output::FarmWindow(closed) => {
                let key = (closed.window.farm_id.clone(), closed.window.window_start);
                self.closed.insert(key, (**closed).clone()).is_none()
            }
            Output::TurbineWindow(closed) => {
                let window = &closed.window.window;
                let key = (window.farm_id.clone(), window.window_start);
                self.turbines
                    .entry(key)
                    .or_default()
                    .insert(closed.window.turbine_id.to_string())
            }
            Output::Checkpoint(_) => true,
        }
    }

    /// The windows, but for what depends on what was open when.
    fn windows(&self) -> Windows {
        let without_rejected = |(key, closed): (&(FarmId, Timestamp), &Closed<FarmWindow>)| {
            let mut window = closed.window.clone();
            window.rejected_count = 0;
            (key.clone(), window)
        };
        self.closed.iter().map(without_rejected).collect()
    }

    fn emitted(&self) -> impl Iterator<Item = Emitted> {
        self.closed.iter().map(|(key, closed)| {
            let window = &closed.window;
            let power = window.metrics.get(Metric::ActivePower).map(|stats| stats.max());
            Emitted {
                end: window.window_end.as_millis(),
                farm: window.farm_id.to_string(),
                idle: closed.close_reason == CloseReason::Idle,
                readings: window.reading_count,
                duplicates: window.duplicate_count,
                rejected: window.rejected_count,
                out_of_order: window.quality.out_of_order,
                suspicious: window.suspicious_clocks.iter().map(ToString::to_string).collect(),
                max: power.map_or_else(Default::default, |max| {
                    (
                        max.value as i64,
                        max.turbine_id.to_string(),
                        max.event_time.as_millis(),
                    )
                }),
                turbines: self.turbines.get(key).cloned().unwrap_or_default(),
            }
        })
    }
}

/// What the records themselves say.
struct Expected {
    dead: BTreeSet<Place>,
}

impl Expected {
    fn of(broker: &Broker) -> Self {
        let mut dead = BTreeSet::new();
        each_record(broker, |partition, offset, entry| {
            if kind(entry).is_dead() {
                dead.insert((partition, offset));
            }
        });
        Self { dead }
    }
}

/// What a record is.
enum Kind<'a> {
    Reading(domain::Reading<'a>),
    /// Of this farm, at this time.
    Rejected(String, Timestamp),
    Nonsense,
}

impl Kind<'_> {
    const fn is_dead(&self) -> bool {
        !matches!(self, Self::Reading(_))
    }
}

fn kind(entry: &Entry) -> Kind<'_> {
    let mut texts = Texts {
        settled_schemas: SCHEMAS.to_vec(),
    };
    let record = Record {
        partition: 0,
        offset: 0,
        appended_at: entry.appended_at,
        key: None,
        payload: entry.text().map(str::as_bytes),
    };
    match texts.admit(&record) {
        Ok(reading) => Kind::Reading(reading),
        Err(NotAdmitted::Rejected {
            counted: Some(of), ..
        }) => Kind::Rejected(of.farm_id.into_owned(), of.event_time),
        Err(NotAdmitted::Rejected { counted: None, .. } | NotAdmitted::UnknownSchema(_)) => Kind::Nonsense,
    }
}

fn each_record<'b>(broker: &'b Broker, mut look: impl FnMut(i32, i64, &'b Entry)) {
    for (&partition, log) in &broker.logs {
        for (offset, entry) in log.records() {
            look(partition, offset, entry);
        }
    }
}

fn group_by(broker: &Broker, size: TimeDelta, seen: &Seen) -> Windows {
    let mut windows = BTreeMap::<(FarmId, Timestamp), WindowSummary>::new();
    let mut newest = BTreeMap::<(FarmId, String), Timestamp>::new();
    each_record(broker, |partition, offset, entry| {
        if seen.late.contains(&(partition, offset)) {
            return;
        }
        if let Kind::Reading(reading) = kind(entry) {
            let (farm_id, start) = (reading.to_farm_id(), reading.event_time.floor_to(size));
            let newest = newest
                .entry((farm_id.clone(), reading.turbine_id.clone().into_owned()))
                .or_insert(start);
            let arrival = Arrival {
                appended_at: entry.appended_at,
                is_overtaken: *newest > start,
            };
            *newest = start.max(*newest);
            windows.entry((farm_id, start)).or_default().add_arrived(
                &reading.turbine_id,
                reading.event_time,
                &reading.metrics,
                arrival,
            );
        }
    });
    let finish = |((farm_id, start), summary): ((FarmId, Timestamp), WindowSummary)| {
        let (farm, _) = summary.finish(&farm_id, start, start + size);
        ((farm_id, start), farm)
    };
    windows.into_iter().map(finish).collect()
}

/// Every window, and the late readings, by a model that shares no code with ours.
fn naive_run(broker: &Broker, windows: &WindowConfig) -> (BTreeSet<Emitted>, BTreeSet<Place>) {
    let rules = Rules {
        size: windows.size().as_millis(),
        grace: windows.grace().as_millis(),
        idle_after: windows.idle_after().as_millis(),
        second: 1_000,
    };
    let (mut emitted, mut late) = (BTreeSet::new(), BTreeSet::new());
    for (&partition, log) in &broker.logs {
        let mut naive = Naive::new(rules);
        let mut now = 0;
        for (offset, entry) in log.records() {
            now = entry.appended_at.as_millis();
            emitted.extend(naive.advance(now));
            match kind(entry) {
                Kind::Reading(reading) => {
                    let event = reading.event_time.as_millis();
                    let value = entry
                        .text()
                        .and_then(parse)
                        .and_then(|raw| raw.metrics.get(Metric::ActivePower));
                    let value = value.unwrap_or_default() as i64;
                    if naive.read(&reading.farm_id, &reading.turbine_id, event, value, now) == Fate::Late {
                        late.insert((partition, offset));
                    }
                }
                Kind::Rejected(farm, event) => naive.reject(&farm, event.as_millis(), now),
                Kind::Nonsense => {}
            }
            emitted.extend(naive.advance(now));
        }
        emitted.extend(naive.advance(now + LONG));
    }
    (emitted, late)
}

fn difference<T: Ord + Debug>(what: &str, seen: &BTreeSet<T>, expected: &BTreeSet<T>) -> String {
    let (missing, odd) = (
        expected.difference(seen).count(),
        seen.difference(expected).count(),
    );
    let first_missing = expected.difference(seen).next();
    let first_odd = seen.difference(expected).next();
    format!("{what}: {missing} missing, the first {first_missing:?}; {odd} too many, the first {first_odd:?}")
}

fn difference_of_maps<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    seen: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> String {
    let keys: BTreeSet<&K> = seen.keys().chain(expected.keys()).collect();
    let differ: Vec<&K> = keys
        .into_iter()
        .filter(|key| seen.get(key) != expected.get(key))
        .collect();
    let first = differ.first().map(|key| {
        let (seen, expected) = (seen.get(key), expected.get(key));
        format!("{key:?}: there is {seen:?}, there should be {expected:?}")
    });
    format!(
        "{what}: {} differ, the first {}",
        differ.len(),
        first.unwrap_or_default()
    )
}
