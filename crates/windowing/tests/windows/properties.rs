//! Laws of windows, each over random logs: three farms with clocks that drift, jump and go back, quiet times,
//! duplicates, rejected readings, records of no use, and a broker whose own clock steps back now and then.

use std::collections::BTreeMap;

use domain::{CloseReason, Metric, TimeDelta, Timestamp};
use proptest::prelude::*;
use windowing::{ClosedWindow, Outcome, PartitionWindows, WindowConfig};

use crate::log::{Body, Record, Report, commit, drive, recover};
use crate::naive::{Emitted, Fate, Naive, Rules};

/// Window size, grace and idle time in seconds; small, so that a short log has many windows.
const SIZE: i64 = 10;
const GRACE: i64 = 3;
const IDLE_AFTER: i64 = 2;

/// Seconds since the epoch at which the logs begin; a window's start.
const BEGIN: i64 = 1_700_000_000;

/// More than any window can wait.
const LONG: i64 = 1_000_000;

fn config() -> WindowConfig {
    let secs = TimeDelta::from_secs;
    WindowConfig::new(secs(SIZE), secs(GRACE), secs(IDLE_AFTER)).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn seconds(time: Timestamp) -> i64 {
    time.as_micros() / 1_000_000
}

fn short(closed: &ClosedWindow) -> Emitted {
    let farm = &closed.farm;
    let max = farm.metrics.get(Metric::WindSpeed).unwrap().max();
    Emitted {
        end: seconds(farm.window_end),
        farm: farm.farm_id.to_string(),
        idle: closed.close_reason == CloseReason::Idle,
        readings: farm.reading_count,
        duplicates: farm.duplicate_count,
        rejected: farm.rejected_count,
        out_of_order: farm.quality.out_of_order,
        suspicious: farm.suspicious_clocks.iter().map(ToString::to_string).collect(),
        max: (
            max.value as i64,
            max.turbine_id.to_string(),
            seconds(max.event_time),
        ),
        turbines: closed
            .turbines
            .iter()
            .map(|window| window.turbine_id.to_string())
            .collect(),
    }
}

/// A log, and for each record whether log time is told, or the process killed, between it and the next one.
#[derive(Debug, Clone)]
struct Story {
    log: Vec<Record>,
    ticks: Vec<Option<i64>>,
    kills: Vec<bool>,
}

/// One record as the generator sees it: everything relative to what came before.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    farm: usize,
    turbine: u8,
    farm_clock_step: i64,
    disorder: i64,
    append_step: i64,
    wind: u8,
    /// How much of the time to the next record has passed when log time is told, in quarters.
    tick: Option<i64>,
    kill: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let farm_clock_step = prop_oneof![12 => 0..4_i64, 2 => 5..30_i64, 1 => -60..200_i64];
    let disorder = prop_oneof![4 => Just(0), 4 => -3..=3_i64, 2 => -16..=16_i64];
    let append_step = prop_oneof![10 => 0..2_i64, 3 => 2..6_i64, 1 => 6..60_i64, 1 => -4..0_i64];
    let step = (
        0..10_u8,
        0..3_usize,
        0..3_u8,
        farm_clock_step,
        disorder,
        append_step,
        0..5_u8,
        prop::option::weighted(0.3, 0..=4_i64),
        prop::bool::weighted(0.15),
    );
    let step = step.prop_map(
        |(kind, farm, turbine, farm_clock_step, disorder, append_step, wind, tick, kill)| Step {
            kind,
            farm,
            turbine,
            farm_clock_step,
            disorder,
            append_step,
            wind,
            tick,
            kill,
        },
    );
    prop::collection::vec(step, 1..120)
}

fn stories() -> impl Strategy<Value = Story> {
    steps().prop_map(|steps| {
        let (mut clocks, mut appended_at) = ([BEGIN; 3], BEGIN);
        let mut story = Story {
            log: Vec::new(),
            ticks: Vec::new(),
            kills: steps.iter().map(|step| step.kill).collect(),
        };
        for (index, step) in steps.iter().enumerate() {
            clocks[step.farm] += step.farm_clock_step;
            appended_at += step.append_step;
            let report = Report {
                farm: ["A", "B", "C"][step.farm].to_owned(),
                turbine: format!("T{}", step.turbine),
                event_time: at(clocks[step.farm] + step.disorder),
            };
            story.log.push(Record {
                appended_at: at(appended_at),
                body: match step.kind {
                    0..=6 => Body::Reading(report, f64::from(step.wind)),
                    7 | 8 => Body::Rejected(report),
                    _ => Body::Other,
                },
            });
            // log time may be told up to the append time of the next record, never beyond
            let room = steps.get(index + 1).map_or(0, |next| next.append_step);
            story.ticks.push(
                step.tick
                    .map(|quarters| appended_at + if room < 0 { room } else { room * quarters / 4 }),
            );
        }
        story
    })
}

/// What a whole run gave.
#[derive(Debug, Default, PartialEq)]
struct Run {
    outcomes: Vec<Option<Outcome>>,
    closed: Vec<ClosedWindow>,
}

impl Run {
    /// Sorted, for when windows may come earlier but not otherwise.
    fn sorted(mut self) -> Self {
        self.closed
            .sort_by(|a, b| (a.farm.window_end, &a.farm.farm_id).cmp(&(b.farm.window_end, &b.farm.farm_id)));
        self
    }

    fn emitted(&self) -> Vec<Emitted> {
        self.closed.iter().map(short).collect()
    }
}

/// Drives a story to its end, with ticks and kills or without; then lets a long time pass.
fn run(story: &Story, with_ticks: bool, with_kills: bool) -> Run {
    let mut windows = PartitionWindows::new(config());
    let mut run = Run::default();
    for (index, record) in story.log.iter().enumerate() {
        let (outcome, closed) = drive(&mut windows, index, record);
        run.outcomes.push(outcome);
        run.closed.extend(closed);
        if let Some(tick) = story.ticks[index].filter(|_| with_ticks) {
            run.closed.extend(windows.advance(at(tick)));
        }
        if with_kills && story.kills[index] {
            windows = recover(config(), &commit(&windows, index + 1), &story.log);
        }
    }
    run.closed
        .extend(windows.advance(story.log.last().unwrap().appended_at + TimeDelta::from_secs(LONG)));
    assert_eq!((windows.open_windows(), windows.oldest_needed()), (0, None));
    run
}

fn naive_run(story: &Story) -> (Vec<Option<Fate>>, Vec<Emitted>) {
    let mut naive = Naive::new(Rules {
        size: SIZE,
        grace: GRACE,
        idle_after: IDLE_AFTER,
        second: 1,
    });
    let (mut fates, mut emitted) = (Vec::new(), Vec::new());
    for (record, tick) in story.log.iter().zip(&story.ticks) {
        let now = seconds(record.appended_at);
        let mut closed = naive.advance(now);
        fates.push(match &record.body {
            Body::Reading(report, wind) => {
                let event = seconds(report.event_time);
                Some(naive.read(&report.farm, &report.turbine, event, *wind as i64, now))
            }
            Body::Rejected(report) => {
                naive.reject(&report.farm, seconds(report.event_time), now);
                None
            }
            Body::Other => None,
        });
        closed.extend(naive.advance(now));
        closed.sort();
        emitted.extend(closed);
        if let Some(tick) = tick {
            emitted.extend(naive.advance(*tick));
        }
    }
    emitted.extend(naive.advance(seconds(story.log.last().unwrap().appended_at) + LONG));
    (fates, emitted)
}

const fn fate(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Accepted => Fate::Accepted,
        Outcome::Duplicate => Fate::Duplicate,
        Outcome::Late { .. } => Fate::Late,
    }
}

proptest! {
    #[test]
    fn the_naive_model_says_the_same(story in stories()) {
        let run = run(&story, true, false);
        let (fates, emitted) = naive_run(&story);
        let outcomes: Vec<_> = run.outcomes.iter().map(|outcome| outcome.map(fate)).collect();
        prop_assert_eq!(outcomes, fates);
        prop_assert_eq!(run.emitted(), emitted);
    }

    #[test]
    fn the_same_log_gives_the_same_windows(story in stories()) {
        prop_assert_eq!(run(&story, true, false), run(&story, true, false));
    }

    #[test]
    fn ticks_change_nothing(story in stories()) {
        prop_assert_eq!(run(&story, true, false).sorted(), run(&story, false, false).sorted());
    }

    #[test]
    fn a_restart_anywhere_gives_the_same_output(story in stories()) {
        prop_assert_eq!(run(&story, true, true), run(&story, true, false));
        prop_assert_eq!(run(&story, false, true), run(&story, false, false));
    }

    #[test]
    fn what_a_restart_finds_is_what_there_was(story in stories()) {
        let mut windows = PartitionWindows::new(config());
        for (index, record) in story.log.iter().enumerate() {
            drive(&mut windows, index, record);
            let before = commit(&windows, index + 1);
            let after = recover(config(), &before, &story.log);
            prop_assert_eq!(commit(&after, index + 1), before);
            prop_assert_eq!(after.open_windows(), windows.open_windows());
            prop_assert_eq!(after.farms(), windows.farms());
        }
    }

    #[test]
    fn each_window_is_told_of_once_and_no_reading_is_lost(story in stories()) {
        let run = run(&story, true, true);
        let mut expected = BTreeMap::<_, (u64, u64)>::new();
        for (record, outcome) in story.log.iter().zip(&run.outcomes) {
            if let Body::Reading(report, _) = &record.body {
                let start = seconds(report.event_time).div_euclid(SIZE) * SIZE;
                let key = (report.farm.clone(), start + SIZE);
                match fate(outcome.unwrap()) {
                    Fate::Accepted => expected.entry(key).or_default().0 += 1,
                    Fate::Duplicate => expected.entry(key).or_default().1 += 1,
                    Fate::Late => {}
                }
            }
        }
        let told: Vec<_> = run.emitted().into_iter().map(|w| ((w.farm, w.end), (w.readings, w.duplicates))).collect();
        prop_assert_eq!(told.len(), expected.len(), "told of twice, or not at all");
        prop_assert_eq!(told.into_iter().collect::<BTreeMap<_, _>>(), expected);
    }

    #[test]
    fn a_restart_with_other_settings_counts_each_reading_once_and_tells_of_no_window_twice(
        story in stories(),
        changes in prop::collection::vec((1..30_i64, 0..8_i64, 1..5_i64), 120),
    ) {
        let mut windows = PartitionWindows::new(config());
        let (mut counted, mut told) = (Vec::new(), Vec::new());
        for (index, record) in story.log.iter().enumerate() {
            let (outcome, closed) = drive(&mut windows, index, record);
            told.extend(closed);
            if let (Body::Reading(report, _), Some(Outcome::Accepted)) = (&record.body, outcome) {
                counted.push((report.farm.clone(), report.event_time));
            }
            if let Some(tick) = story.ticks[index] {
                told.extend(windows.advance(at(tick)));
            }
            if story.kills[index] {
                let (size, grace, idle_after) = changes[index];
                let secs = TimeDelta::from_secs;
                let changed = WindowConfig::new(secs(size), secs(grace), secs(idle_after)).unwrap();
                windows = recover(changed, &commit(&windows, index + 1), &story.log);
            }
        }
        told.extend(windows.advance(story.log.last().unwrap().appended_at + TimeDelta::from_secs(LONG)));
        prop_assert_eq!(told.iter().map(|window| window.farm.reading_count).sum::<u64>(), counted.len() as u64);
        told.sort_by(|a, b| (&a.farm.farm_id, a.farm.window_start).cmp(&(&b.farm.farm_id, b.farm.window_start)));
        for pair in told.windows(2) {
            prop_assert!(
                pair[0].farm.farm_id != pair[1].farm.farm_id || pair[0].farm.window_end <= pair[1].farm.window_start,
                "{:?} and {:?} overlap", pair[0].farm, pair[1].farm
            );
        }
        for window in &told {
            let (farm_id, span) = (&window.farm.farm_id, window.farm.window_start..window.farm.window_end);
            let within = counted.iter().filter(|(farm, event)| farm == farm_id.as_str() && span.contains(event));
            prop_assert_eq!(window.farm.reading_count, within.count() as u64);
        }
    }

    #[test]
    fn order_within_grace_does_not_matter(
        readings in prop::collection::btree_map((0..200_i64, 0..3_u8), (0..5_u8, 0..GRACE), 1..80),
    ) {
        let story = |delayed: bool| {
            let mut order: Vec<_> = readings.iter().collect();
            order.sort_by_key(|((event, _), (_, delay))| event + if delayed { *delay } else { 0 });
            let log: Vec<_> = order
                .into_iter()
                .map(|((event, turbine), (wind, _))| {
                    let report = Report {
                        farm: "A".to_owned(),
                        turbine: format!("T{turbine}"),
                        event_time: at(BEGIN + event),
                    };
                    Record { appended_at: at(BEGIN), body: Body::Reading(report, f64::from(*wind)) }
                })
                .collect();
            Story { ticks: vec![None; log.len()], kills: Vec::new(), log }
        };
        let (shuffled, sorted) = (run(&story(true), false, false), run(&story(false), false, false));
        prop_assert!(shuffled.outcomes.iter().all(|outcome| *outcome == Some(Outcome::Accepted)));
        let but_for_order = |run: &Run| -> Vec<_> {
            let emitted = run.emitted().into_iter();
            emitted.map(|window| Emitted { out_of_order: 0, ..window }).collect()
        };
        prop_assert_eq!(but_for_order(&shuffled), but_for_order(&sorted));
    }
}
