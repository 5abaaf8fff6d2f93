//! The windows of all farms of one partition.

use domain::{FarmId, Timestamp};
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use crate::due::Due;
use crate::farm::Farm;
use crate::register::Register;
use crate::{ClosedWindow, Observed, Offset, Outcome, Rejected, WindowConfig};

/// The open windows of the farms of one partition.
///
/// # How to drive it
/// For each record, in the order of the log:
/// 1. [`observe`](Self::observe) if it is a valid reading; [`reject`](Self::reject) if it broke a rule, but not one
///    about its farm, turbine or event time; neither otherwise.
/// 2. In every case [`advance`](Self::advance) to its append time, and emit what that returns: what log time has
///    closed before this record, and what this record's stream time has closed.
///
/// Only when the partition has been read to its end, also `advance` now and then to a log time that runs on by
/// itself, but not beyond the append time of any record to come. Under that condition ticks change nothing: what
/// they close, the next record would have closed before being handled itself.
///
/// # Commit and restart
/// With what was emitted commit [`oldest_needed`](Self::oldest_needed), or the position if there is none;
/// [`closed_until`](Self::closed_until) if it [has changed](Self::take_closed_until_changed); and the position.
/// To restart: [`restore`](Self::restore), then drive the records from the committed offset to that position as
/// always, without ticks, and do nothing about their outcomes: they were dealt with. Then
/// [`end_replay`](Self::end_replay).
///
/// That replay closes nothing and changes no `closed_until`. What closed before the commit ends at or before
/// `closed_until`, so it does not open again. What was open then is open again with every record that changed it,
/// since none lies before the committed offset. And a farm's stream time, once the replay knows it, is what it was:
/// it follows from the readings of the windows that are open (the highest event lies in the one that would close
/// last) and from the last reading, which came after the first of those. So whatever stream time would close in the
/// replay, it closed before the commit.
///
/// With other settings than before that last sentence is not true, which is why a replay closes nothing even where
/// stream time says so: what was counted once would else come too late. What is due by the new settings closes when
/// the replay has ended; nothing is told of twice, since what happened before `closed_until` stays closed, and a
/// window that is longer than the former ones begins where those end.
#[derive(Debug)]
pub struct PartitionWindows {
    config: WindowConfig,
    farms: HashMap<FarmId, Farm>,
    due: Due,
    register: Register,
}

impl PartitionWindows {
    /// Of a partition that is read from its beginning.
    pub fn new(config: WindowConfig) -> Self {
        Self {
            config,
            farms: HashMap::new(),
            due: Due::default(),
            register: Register::default(),
        }
    }

    /// Of a partition of which a checkpoint holds each farm's `closed_until`, about to be replayed.
    pub fn restore(
        config: WindowConfig,
        closed_until: impl IntoIterator<Item = (FarmId, Timestamp)>,
    ) -> Self {
        let farms = closed_until
            .into_iter()
            .map(|(id, until)| (id.clone(), Farm::new(id, Some(until))))
            .collect();
        let register = Register {
            is_replaying: true,
            ..Register::default()
        };
        Self {
            farms,
            register,
            ..Self::new(config)
        }
    }

    /// What was open is open again: from now on windows close. Harmless when that was so.
    #[expect(clippy::disallowed_methods, reason = "each farm is scheduled for itself")]
    pub fn end_replay(&mut self) {
        if !std::mem::take(&mut self.register.is_replaying) {
            return;
        }
        for farm in self.farms.values_mut() {
            if let Some(due) = farm.due(&self.config, &self.register) {
                self.due.schedule(farm, due);
            }
        }
    }

    /// Takes a valid reading, after moving log time to its append time. Windows that close by this come with the
    /// next [`advance`](Self::advance).
    pub fn observe(&mut self, record: Observed<'_>) -> Outcome {
        self.close_due(record.appended_at);
        let reading = record.reading;
        let farm = farm_entry(&mut self.farms, &reading.farm_id, || reading.to_farm_id());
        let outcome = farm.observe(&record, &self.config, &mut self.register);
        if let Some(due) = farm.due(&self.config, &self.register) {
            self.due.schedule(farm, due);
        }
        outcome
    }

    /// Counts a reading that broke a rule in its window, after moving log time to its append time.
    ///
    /// If that window has no reading yet, this is a note for when it has one: kept for at least size + grace +
    /// `idle_after` of log time, as long as the farm's rejected readings stay near it. A window that never has a
    /// reading is never told of.
    pub fn reject(&mut self, record: Rejected<'_>) {
        self.close_due(record.appended_at);
        let farm = farm_entry(&mut self.farms, record.farm_id.as_str(), || {
            record.farm_id.clone()
        });
        farm.reject(&record, &self.config, &mut self.register);
        if let Some(due) = farm.due(&self.config, &self.register) {
            self.due.schedule(farm, due);
        }
    }

    /// Moves log time to `log_time` and returns the windows that have closed since the last call, in the order of
    /// end, then farm. A log time before the last one closes nothing.
    #[must_use = "a closed window is told of once"]
    pub fn advance(&mut self, log_time: Timestamp) -> Vec<ClosedWindow> {
        self.close_due(log_time);
        if self.register.closed.is_empty() {
            return Vec::new(); // as nearly always
        }
        let mut closed = std::mem::take(&mut self.register.closed);
        closed.sort_unstable_by(|a, b| {
            (a.farm.window_end, &a.farm.farm_id).cmp(&(b.farm.window_end, &b.farm.farm_id))
        });
        closed
    }

    /// The oldest record that is still needed: that changed a window which is open, or may come to be counted in
    /// one; none if nothing is open.
    pub fn oldest_needed(&self) -> Option<Offset> {
        self.register.first_offsets.first().copied()
    }

    /// For the checkpoint: up to where each farm's windows are closed, in the order of farms.
    #[expect(clippy::disallowed_methods, reason = "sorted before anybody sees the order")]
    pub fn closed_until(&self) -> impl Iterator<Item = (&FarmId, Timestamp)> {
        let mut farms: Vec<_> = self
            .farms
            .iter()
            .filter_map(|(id, farm)| Some((id, farm.closed_until?)))
            .collect();
        farms.sort_unstable();
        farms.into_iter()
    }

    /// Whether [`closed_until`](Self::closed_until) has changed since this was last called: only then is a new
    /// checkpoint needed.
    pub fn take_closed_until_changed(&mut self) -> bool {
        std::mem::take(&mut self.register.closed_until_changed)
    }

    /// How many windows are open.
    pub const fn open_windows(&self) -> usize {
        self.register.open_windows
    }

    /// How many farms are known, quiet ones included.
    pub fn farms(&self) -> usize {
        self.farms.len()
    }

    fn close_due(&mut self, log_time: Timestamp) {
        if self.due.is_any_until(log_time) {
            self.close_all_due(log_time);
        }
    }

    #[cold]
    fn close_all_due(&mut self, log_time: Timestamp) {
        for farm_id in self.due.take_until(log_time) {
            let farm = self
                .farms
                .get_mut(&farm_id)
                .expect("a farm is kept while it is scheduled");
            farm.scheduled = None;
            farm.advance(log_time, &self.config, &mut self.register);
            match farm.due(&self.config, &self.register) {
                Some(due) => self.due.schedule(farm, due),
                None if farm.is_blank() => {
                    self.farms.remove(&farm_id);
                }
                None => {}
            }
        }
    }
}

/// The farm of that id, which `new_id` makes if it is not known yet.
fn farm_entry<'f>(
    farms: &'f mut HashMap<FarmId, Farm>,
    farm_id: &str,
    new_id: impl FnOnce() -> FarmId,
) -> &'f mut Farm {
    match farms.entry_ref(farm_id) {
        EntryRef::Occupied(entry) => entry.into_mut(),
        EntryRef::Vacant(entry) => {
            let id = new_id();
            entry.insert_with_key(id.clone(), Farm::new(id, None))
        }
    }
}
