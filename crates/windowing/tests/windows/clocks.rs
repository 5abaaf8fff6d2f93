//! Clocks that run ahead of the broker's. Log time begins long after the event times of scripts, so these tell it in
//! full.

use domain::{FarmId, TimeDelta, Timestamp};
use windowing::{Outcome, PartitionWindows, WindowConfig};

use crate::log::{Body, Record, Report, commit, drive, recover};

const BEGIN: Timestamp = Timestamp::from_micros(1_700_000_040_000_000);

/// (append time, turbine, event time), in seconds.
fn log(readings: &[(i64, &str, i64)]) -> Vec<Record> {
    let at = |second| BEGIN + TimeDelta::from_secs(second);
    let record = |(append, turbine, event): &(i64, &str, i64)| Record {
        appended_at: at(*append),
        body: Body::Reading(
            Report {
                farm: "A".to_owned(),
                turbine: (*turbine).to_owned(),
                event_time: at(*event),
            },
            8.0,
        ),
    };
    readings.iter().map(record).collect()
}

/// Drives all of it, and at each place a restarted program too; how many were late, and when windows closed.
fn run(log: &[Record]) -> (usize, Vec<i64>) {
    let mut windows = PartitionWindows::new(WindowConfig::default());
    let (mut late, mut closed_at) = (0, Vec::new());
    for (index, record) in log.iter().enumerate() {
        let (outcome, closed) = drive(&mut windows, index, record);
        late += usize::from(matches!(outcome, Some(Outcome::Late { .. })));
        let second = record.appended_at.since(BEGIN).as_millis() / 1_000;
        closed_at.extend(closed.iter().map(|_| second));
        windows = recover(WindowConfig::default(), &commit(&windows, index + 1), log);
    }
    assert_eq!(
        windows
            .closed_until()
            .map(|(farm, _)| farm)
            .collect::<Vec<_>>()
            .first(),
        Some(&&FarmId::parse("A").unwrap())
    );
    (late, closed_at)
}

#[test]
fn one_that_is_ahead_does_not_close_the_others_windows() {
    let mut readings = Vec::new();
    for second in 0..75 {
        readings.extend([
            (second, "T1", second - 2),
            (second, "T2", second),
            (second, "T3", second + 25),
        ]);
    }
    assert_eq!(
        run(&log(&readings)),
        (0, vec![10, 70]),
        "that of the minute before, and no other earlier"
    );
}

#[test]
fn two_that_agree_do() {
    let mut readings = Vec::new();
    for second in 0..60 {
        readings.extend([
            (second, "T1", second),
            (second, "T2", second + 20),
            (second, "T3", second + 25),
        ]);
    }
    let (late, closed_at) = run(&log(&readings));
    assert_eq!(closed_at, [50], "20 s before the broker's clock says so");
    assert_eq!(late, 9, "T1 from 51 on");
}

#[test]
fn when_all_are_ahead_it_is_the_brokers_clock_that_is_wrong() {
    let mut readings = Vec::new();
    for second in 0..60 {
        readings.extend([(second, "T1", second + 20), (second, "T2", second + 20)]);
    }
    assert_eq!(run(&log(&readings)), (0, vec![50]));
}

#[test]
fn a_lone_one_closes_its_windows_by_the_brokers_clock() {
    let readings: Vec<_> = (0..75).map(|second| (second, "T1", second + 25)).collect();
    let (late, closed_at) = run(&log(&readings));
    assert_eq!((late, closed_at.as_slice()), (0, [70].as_slice()));
}
