//! A partition's log, and a shell that drives windows along it as the real one does.

use std::fmt;

use domain::{FarmId, Limits, Metric, RawReading, TimeDelta, Timestamp, TurbineId, validate};
use windowing::{ClosedWindow, Observed, Offset, Outcome, PartitionWindows, Rejected, WindowConfig};

/// A record of the log; its offset is its index.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) appended_at: Timestamp,
    pub(crate) body: Body,
}

#[derive(Clone)]
pub(crate) enum Body {
    Reading(Report, f64),
    Rejected(Report),
    /// Nothing that windows could take, such as undecodable bytes.
    Other,
}

impl fmt::Debug for Record {
    /// On one line, so that a failing property can be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, report) = match &self.body {
            Body::Reading(report, _) => ("read", Some(report)),
            Body::Rejected(report) => ("reject", Some(report)),
            Body::Other => ("other", None),
        };
        write!(f, "{what} appended at {}", self.appended_at)?;
        report.map_or(Ok(()), |report| {
            write!(f, ": {}/{} {}", report.farm, report.turbine, report.event_time)
        })
    }
}

/// Who reported, and when it was measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Report {
    pub(crate) farm: String,
    pub(crate) turbine: String,
    pub(crate) event_time: Timestamp,
}

/// What a shell commits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Commit {
    pub(crate) offset: usize,
    pub(crate) position: usize,
    pub(crate) closed_until: Vec<(FarmId, Timestamp)>,
}

/// Gives one record to the windows and takes what has closed.
pub(crate) fn drive(
    windows: &mut PartitionWindows,
    index: usize,
    record: &Record,
) -> (Option<Outcome>, Vec<ClosedWindow>) {
    let (offset, appended_at) = (Offset::new(index as i64), record.appended_at);
    let outcome = match &record.body {
        Body::Reading(report, wind) => {
            let raw = RawReading {
                farm_id: report.farm.as_str().into(),
                turbine_id: report.turbine.as_str().into(),
                event_time: report.event_time,
                metrics: [(Metric::WindSpeed, *wind)].into_iter().collect(),
                ..RawReading::default()
            };
            let limits = Limits {
                event_time_ahead: TimeDelta::from_secs(1_000_000_000),
            };
            let reading = validate(raw, appended_at, &limits).unwrap();
            Some(windows.observe(Observed {
                offset,
                appended_at,
                reading: &reading,
            }))
        }
        Body::Rejected(report) => {
            windows.reject(Rejected {
                offset,
                appended_at,
                farm_id: &FarmId::parse(&report.farm).unwrap(),
                turbine_id: &TurbineId::parse(&report.turbine).unwrap(),
                event_time: report.event_time,
            });
            None
        }
        Body::Other => None,
    };
    (outcome, windows.advance(appended_at))
}

/// What would be committed after everything before `position` was handled.
pub(crate) fn commit(windows: &PartitionWindows, position: usize) -> Commit {
    let needed = windows.oldest_needed().map(|offset| offset.as_i64() as usize);
    Commit {
        offset: needed.unwrap_or(position),
        position,
        closed_until: windows
            .closed_until()
            .map(|(farm, until)| (farm.clone(), until))
            .collect(),
    }
}

/// Starts from a commit as a new process would, seeing that the replay emits nothing and ends where it began.
pub(crate) fn recover(config: WindowConfig, commit: &Commit, log: &[Record]) -> PartitionWindows {
    let mut windows = PartitionWindows::restore(config, commit.closed_until.clone());
    for (index, record) in log.iter().enumerate().take(commit.position).skip(commit.offset) {
        let (_, closed) = drive(&mut windows, index, record);
        assert!(
            closed.is_empty(),
            "the replay of record {index} closed {closed:?}"
        );
    }
    windows.end_replay();
    assert!(
        !windows.take_closed_until_changed(),
        "the replay moved closed_until"
    );
    assert_eq!(
        self::commit(&windows, commit.position).closed_until,
        commit.closed_until
    );
    windows
}
