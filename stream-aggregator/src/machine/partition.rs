//! One partition: its windows, how far it has been read, and what it wants to be sent.

use std::time::{Duration, Instant};

use avro::{PartitionCheckpoint, SchemaId};
use domain::{CloseReason, Closed, FarmId, Quality, Reading, TimeDelta, Timestamp, TurbineId};
use platform::Rejection;
use platform::intake::{NotAdmitted, RejectedReading};
use windowing::{ClosedWindow, Observed, Offset, Outcome, PartitionWindows, Rejected, WindowConfig};

use super::effect::{CommitPoint, Output};
use super::{Intake, Metadata, Record};

/// What may be on its way from the broker when a partition seems to have been read to its end.
const ON_ITS_WAY: TimeDelta = TimeDelta::from_secs(1);

/// The most that log time runs on by itself between two ticks. After a longer gap the program was frozen or busy, and
/// what was appended meanwhile has not been read.
const LONGEST_STEP: Duration = Duration::from_millis(500);

/// What has happened, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records processed for the first time.
    pub processed: u64,
    /// Records read again to rebuild open windows.
    pub replayed: u64,
    /// Readings of a turbine and time that had been counted.
    pub duplicates: u64,
    /// Readings whose window had closed.
    pub late: u64,
    /// Records refused.
    pub dead_letters: u64,
    /// Windows closed by newer readings.
    pub closed_by_stream_time: u64,
    /// Windows closed because their farm was quiet.
    pub closed_by_idleness: u64,
    /// Partitions taken up.
    pub restored: u64,
    /// What was odd about the readings of windows that have closed.
    pub quality: Quality,
}

impl Counts {
    pub(super) const ZERO: Self = Self {
        processed: 0,
        replayed: 0,
        duplicates: 0,
        late: 0,
        dead_letters: 0,
        closed_by_stream_time: 0,
        closed_by_idleness: 0,
        restored: 0,
        quality: Quality::of_counts([0; Quality::NAMES.len()]),
    };
}

/// What became of a record.
pub(super) enum Taken {
    /// It is processed, or was to be dropped.
    Done,
    /// Nothing, because its writer schema is unknown.
    UnknownSchema(SchemaId),
}

#[derive(Debug)]
pub(super) struct Partition {
    number: i32,
    windows: PartitionWindows,
    /// The next offset to be processed.
    position: i64,
    /// Records below this offset have been processed before: they build windows, and cause nothing else.
    replay_until: i64,
    /// Where the last checkpoint record lies.
    checkpoint: Option<i64>,
    /// Whether what the checkpoint says has changed since it was sent.
    checkpoint_changed: bool,
    /// Append time of the last record.
    log_time: Option<Timestamp>,
    /// While there is nothing more to read: when that was last looked at, and log time then.
    end: Option<(Instant, Timestamp)>,
    /// To be sent.
    outputs: Vec<Output>,
    /// Whether anything was processed since the last commit.
    touched: bool,
    /// Whether a window has closed since the last commit.
    closed: bool,
}

impl Partition {
    /// As it was when `position` and `metadata` were committed, but for the open windows: the replay of the records
    /// from `position` to what had been processed builds them again.
    pub(super) fn restore(
        config: WindowConfig,
        number: i32,
        position: i64,
        metadata: Option<Metadata>,
        checkpoint: PartitionCheckpoint,
    ) -> Self {
        let mut partition = Self {
            number,
            windows: PartitionWindows::restore(config, checkpoint.farms),
            position,
            replay_until: metadata.map_or(position, |metadata| metadata.processed),
            checkpoint: metadata.and_then(|metadata| metadata.checkpoint),
            checkpoint_changed: false,
            log_time: None,
            end: None,
            outputs: Vec::new(),
            touched: false,
            closed: false,
        };
        partition.see_whether_replayed();
        partition
    }

    pub(super) fn record(
        &mut self,
        record: &Record<'_>,
        intake: &mut impl Intake,
        counts: &mut Counts,
    ) -> Taken {
        self.end = None; // also when it comes again: what is new comes after it
        if record.offset < self.position {
            return Taken::Done; // a redelivery
        }
        self.position = record.offset; // what lies between are markers of transactions and compacted records
        self.see_whether_replayed();
        let admitted = intake.admit(record);
        if let Err(NotAdmitted::UnknownSchema(schema)) = admitted {
            return Taken::UnknownSchema(schema);
        }
        self.log_time = self.log_time.max(Some(record.appended_at));
        self.advance(record.appended_at, counts); // what closes before it is sent before it
        match admitted {
            Err(NotAdmitted::UnknownSchema(_)) => {}
            Ok(ref reading) => self.reading(record, reading, counts),
            Err(NotAdmitted::Rejected { rejection, counted }) => {
                self.rejected(record, rejection, counted, counts);
            }
        }
        self.advance(record.appended_at, counts);
        self.processed(record.offset, counts);
        Taken::Done
    }

    /// There is nothing more to read, for the moment: from now on log time runs on by itself. Not in a replay: there
    /// is more to read, whatever a broker that does not know its own end yet may say.
    pub(super) fn end_reached(&mut self, now: Instant) {
        if self.is_replaying() {
            return;
        }
        self.end = self
            .end
            .or(self.log_time.map(|log_time| (now, log_time - ON_ITS_WAY)));
    }

    /// Moves log time on if there is nothing to read.
    pub(super) fn tick(&mut self, now: Instant, counts: &mut Counts) {
        if let Some((looked_at, log_time)) = &mut self.end {
            let step = now.saturating_duration_since(*looked_at).min(LONGEST_STEP);
            *log_time = *log_time + step.into();
            *looked_at = now;
            let log_time = *log_time;
            self.advance(log_time, counts);
        }
    }

    /// Where this partition is to be taken up if we are no more.
    pub(super) fn commit_point(&self) -> CommitPoint {
        CommitPoint {
            partition: self.number,
            offset: self.windows.oldest_needed().map_or(self.position, Offset::as_i64),
            metadata: Metadata {
                processed: self.position.max(self.replay_until),
                checkpoint: self.checkpoint,
            },
        }
    }

    /// What the next commit must hold if it has changed.
    pub(super) fn changed_checkpoint(&mut self) -> Option<PartitionCheckpoint> {
        self.checkpoint_changed |= self.windows.take_closed_until_changed();
        self.checkpoint_changed.then(|| PartitionCheckpoint {
            partition: self.number,
            farms: self
                .windows
                .closed_until()
                .map(|(farm_id, until)| (farm_id.clone(), until))
                .collect(),
        })
    }

    /// The checkpoint record of this transaction lies at `offset`.
    pub(super) const fn checkpoint_sent(&mut self, offset: i64) {
        self.checkpoint = Some(offset);
        self.checkpoint_changed = false;
    }

    pub(super) const fn committed(&mut self) {
        self.touched = false;
        self.closed = false;
    }

    pub(super) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub(super) const fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    pub(super) const fn is_touched(&self) -> bool {
        self.touched
    }

    pub(super) const fn has_closed(&self) -> bool {
        self.closed
    }

    /// Whether the open windows are still being built again. That ends with a record: `replay_until` was the next
    /// offset after one that was read.
    pub(super) const fn is_replaying(&self) -> bool {
        self.position < self.replay_until
    }

    /// The next offset to be processed.
    pub(super) const fn position(&self) -> i64 {
        self.position
    }

    pub(super) fn open_windows(&self) -> usize {
        self.windows.open_windows()
    }

    fn reading(&mut self, record: &Record<'_>, reading: &Reading<'_>, counts: &mut Counts) {
        let outcome = self.windows.observe(Observed {
            offset: Offset::new(record.offset),
            appended_at: record.appended_at,
            reading,
        });
        if self.is_replaying() {
            return;
        }
        match outcome {
            Outcome::Accepted => {}
            Outcome::Duplicate => counts.duplicates += 1,
            Outcome::Late { by, window_start } => {
                counts.late += 1;
                self.outputs.push(Output::Late {
                    by_ms: by.as_millis(),
                    window_start,
                    original: record.to_original(),
                });
            }
        }
    }

    fn rejected(
        &mut self,
        record: &Record<'_>,
        rejection: Box<Rejection>,
        counted: Option<RejectedReading<'_>>,
        counts: &mut Counts,
    ) {
        if let Some(reading) = counted
            && let (Ok(farm_id), Ok(turbine_id)) = (
                FarmId::parse(&reading.farm_id),
                TurbineId::parse(&reading.turbine_id),
            )
        {
            self.windows.reject(Rejected {
                offset: Offset::new(record.offset),
                appended_at: record.appended_at,
                farm_id: &farm_id,
                turbine_id: &turbine_id,
                event_time: reading.event_time,
            });
        }
        if !self.is_replaying() {
            counts.dead_letters += 1;
            self.outputs.push(Output::DeadLetter {
                rejection,
                original: record.to_original(),
            });
        }
    }

    /// Moves log time, and sends what has closed; in a replay that is nothing.
    fn advance(&mut self, log_time: Timestamp, counts: &mut Counts) {
        for window in self.windows.advance(log_time) {
            match window.close_reason {
                CloseReason::StreamTime => counts.closed_by_stream_time += 1,
                CloseReason::Idle => counts.closed_by_idleness += 1,
            }
            counts.quality.merge(window.farm.quality);
            self.touched = true;
            self.closed = true;
            self.outputs.extend(outputs_of(window));
        }
    }

    fn processed(&mut self, offset: i64, counts: &mut Counts) {
        if self.is_replaying() {
            counts.replayed += 1;
        } else {
            counts.processed += 1;
            self.touched = true;
        }
        self.position = Offset::new(offset).next().as_i64();
        self.see_whether_replayed();
    }

    fn see_whether_replayed(&mut self) {
        if !self.is_replaying() {
            self.windows.end_replay();
        }
    }
}

fn outputs_of(window: ClosedWindow) -> impl Iterator<Item = Output> {
    let ClosedWindow {
        close_reason,
        farm,
        turbines,
    } = window;
    let farm = Output::FarmWindow(Box::new(Closed {
        window: farm,
        close_reason,
    }));
    let turbines = turbines
        .into_iter()
        .map(move |window| Output::TurbineWindow(Box::new(Closed { window, close_reason })));
    std::iter::once(farm).chain(turbines)
}
