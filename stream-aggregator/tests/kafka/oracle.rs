//! What must have come out of what was sent.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Arrival, FarmId, FarmWindow, RawReading, TimeDelta, Timestamp, WindowSummary};

use crate::rig::{Rig, SIZE};

impl Rig {
    /// Each window is there once and equals the naive group-by of what was `sent` and not late; so are the windows
    /// of turbines; and each late reading is there once. (What is late depends on how long a farm was quiet.)
    pub(crate) fn check(&self, sent: &[RawReading<'_>]) {
        let mut in_time: BTreeMap<_, _> = sent
            .iter()
            .map(|reading| (self.encode(reading), reading))
            .collect();
        assert_eq!(in_time.len(), sent.len(), "tests send no reading twice");
        for late in self.committed(&self.topics.late_readings) {
            assert!(
                in_time.remove(&late.payload).is_some(),
                "late twice: {late:?}\n{}",
                self.log()
            );
        }
        let mut windows = BTreeMap::new();
        for closed in self.farm_windows() {
            let key = (closed.window.farm_id.clone(), closed.window.window_start);
            let window = closed.window.clone();
            assert!(
                windows.insert(key, window).is_none(),
                "there twice: {closed:?}\n{}",
                self.log()
            );
        }
        let in_order: Vec<_> = sent
            .iter()
            .filter(|reading| in_time.contains_key(&self.encode(reading)))
            .collect();
        assert_eq!(windows, group_by(&in_order), "{}", self.log());

        let mut turbines = BTreeSet::new();
        for closed in self.turbine_windows() {
            let window = &closed.window.window;
            let key = (
                window.farm_id.clone(),
                window.window_start,
                closed.window.turbine_id.clone(),
            );
            assert!(turbines.insert(key), "there twice: {closed:?}\n{}", self.log());
        }
        let expected: u64 = windows.values().map(|window| window.turbine_count).sum();
        assert_eq!(turbines.len() as u64, expected, "turbine windows");
    }
}

fn group_by(readings: &[&RawReading<'_>]) -> BTreeMap<(FarmId, Timestamp), FarmWindow> {
    let mut summaries = BTreeMap::<_, WindowSummary>::new();
    let mut newest = BTreeMap::new();
    for reading in readings {
        let key = (
            FarmId::parse(&reading.farm_id).unwrap(),
            reading.event_time.floor_to(SIZE),
        );
        let newest = newest
            .entry((key.0.clone(), reading.turbine_id.clone()))
            .or_insert(key.1);
        let arrival = Arrival {
            appended_at: reading.event_time + TimeDelta::from_secs(3_600), // no clock is ahead in these tests
            is_overtaken: *newest > key.1,
        };
        *newest = key.1.max(*newest);
        summaries.entry(key).or_default().add_arrived(
            &reading.turbine_id,
            reading.event_time,
            &reading.metrics,
            arrival,
        );
    }
    let finish = |(key, summary): ((FarmId, Timestamp), WindowSummary)| {
        let (farm, _) = summary.finish(&key.0, key.1, key.1 + SIZE);
        (key, farm)
    };
    summaries.into_iter().map(finish).collect()
}
