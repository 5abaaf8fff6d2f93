//! What must have come out, whatever has happened on the way.

use std::collections::{BTreeMap, BTreeSet};

use domain::{FarmId, FarmWindow, TimeDelta, Timestamp, WindowSummary};
use stream_aggregator::machine::{Intake, Output, Record};

use crate::world::{Texts, World, parse};

/// Each record is counted, late or refused, once; each window was sent once and equals the naive group-by of the
/// readings that were not late.
pub(crate) fn check(world: &World, size: TimeDelta) {
    let late = offsets(world, |output| match output {
        Output::Late { original, .. } => Some(original.offset),
        Output::FarmWindow(_)
        | Output::TurbineWindow(_)
        | Output::DeadLetter { .. }
        | Output::Checkpoint(_) => None,
    });
    let dead = offsets(world, |output| match output {
        Output::DeadLetter { original, .. } => Some(original.offset),
        Output::FarmWindow(_) | Output::TurbineWindow(_) | Output::Late { .. } | Output::Checkpoint(_) => {
            None
        }
    });
    assert_eq!(dead, refused(world), "dead letters");

    let mut sent = BTreeMap::new();
    let mut turbines = BTreeMap::<_, usize>::new();
    for (_, output) in &world.outputs {
        match output {
            Output::FarmWindow(closed) => {
                let mut window = closed.window.clone();
                window.rejected_count = 0; // depends on what was open when
                let key = (window.farm_id.clone(), window.window_start);
                assert!(sent.insert(key, window).is_none(), "sent twice: {closed:?}");
            }
            Output::TurbineWindow(closed) => {
                let window = &closed.window.window;
                *turbines
                    .entry((window.farm_id.clone(), window.window_start))
                    .or_default() += 1;
            }
            Output::Late { .. } | Output::DeadLetter { .. } | Output::Checkpoint(_) => {}
        }
    }
    assert_eq!(sent, group_by(world, size, &late, &dead), "windows");
    for (key, window) in &sent {
        assert_eq!(
            turbines.get(key).copied(),
            Some(window.turbine_count as usize),
            "turbine windows of {key:?}"
        );
    }
}

type Places = BTreeSet<(i32, i64)>;

fn offsets(world: &World, pick: fn(&Output) -> Option<i64>) -> Places {
    let mut places = Places::new();
    for (partition, output) in &world.outputs {
        if let Some(offset) = pick(output) {
            assert!(places.insert((*partition, offset)), "sent twice: {output:?}");
        }
    }
    places
}

fn refused(world: &World) -> Places {
    let mut places = Places::new();
    for (&partition, log) in &world.logs {
        for (offset, stored) in log.iter().enumerate() {
            let record = Record {
                partition,
                offset: offset as i64,
                appended_at: stored.appended_at,
                key: None,
                payload: Some(stored.text.as_bytes()),
            };
            if Texts::default().admit(&record).is_err() {
                places.insert((partition, offset as i64));
            }
        }
    }
    places
}

fn group_by(
    world: &World,
    size: TimeDelta,
    late: &Places,
    dead: &Places,
) -> BTreeMap<(FarmId, Timestamp), FarmWindow> {
    let mut windows = BTreeMap::<(FarmId, Timestamp), WindowSummary>::new();
    for (&partition, log) in &world.logs {
        for (offset, stored) in log.iter().enumerate() {
            let place = (partition, offset as i64);
            if late.contains(&place) || dead.contains(&place) {
                continue;
            }
            let reading = parse(&stored.text).unwrap();
            let key = (
                FarmId::parse(&reading.farm_id).unwrap(),
                reading.event_time.floor_to(size),
            );
            windows
                .entry(key)
                .or_default()
                .add(&reading.turbine_id, reading.event_time, &reading.metrics);
        }
    }
    let finish = |(key, summary): ((FarmId, Timestamp), WindowSummary)| {
        let (farm, _) = summary.finish(&key.0, key.1, key.1 + size);
        (key, farm)
    };
    windows.into_iter().map(finish).collect()
}
