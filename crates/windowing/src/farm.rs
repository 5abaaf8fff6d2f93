//! The windows of one farm.

use std::collections::VecDeque;

use domain::{Added, Arrival, CloseReason, FarmId, TimeDelta, Timestamp, WindowSummary};

use crate::clock::{EventTimes, highest_supported};
use crate::notes::Notes;
use crate::open::OpenWindow;
use crate::register::Register;
use crate::{Observed, Offset, Outcome, Rejected, WindowConfig};

/// What is known of one farm. One that has nothing open costs its `closed_until` and nothing else.
#[derive(Debug)]
pub(crate) struct Farm {
    pub(crate) id: FarmId,
    /// Every window that ends here or before is closed, whether it ever held anything or not.
    pub(crate) closed_until: Option<Timestamp>,
    /// When the partition looks at this farm next; never after [`Farm::due`].
    pub(crate) scheduled: Option<Timestamp>,
    /// In the order of their starts.
    windows: VecDeque<OpenWindow>,
    /// Append time of the last reading, there while a window is open. Rejected ones do not count: a farm that sends
    /// only rubbish is quiet. It follows from the records since the oldest open window's first one, so that a restart
    /// finds it again.
    last_append: Option<Timestamp>,
    notes: Notes,
}

/// What stream time is reckoned from.
#[derive(Debug, Clone, Copy)]
struct Base {
    /// How far readings have moved it.
    highest_event: Timestamp,
    /// What it runs on from in a quiet: the highest event time of all, but not beyond the broker's clock. Who supports
    /// whom plays no part in it, as that changes with the windows that close meanwhile.
    quiet_from: Timestamp,
    last_append: Timestamp,
}

impl Base {
    fn stream_time(&self, log_time: Timestamp, config: &WindowConfig) -> Timestamp {
        let quiet_for = log_time.since(self.last_append);
        if quiet_for < config.idle_after() {
            self.highest_event
        } else {
            self.quiet_from + quiet_for
        }
    }

    /// The log time at which stream time comes to `stream_time`, if no more readings come.
    fn reaches(&self, stream_time: Timestamp, config: &WindowConfig) -> Timestamp {
        if stream_time <= self.highest_event {
            return Timestamp::MIN; // after a restart with less grace than before, whatever log time says
        }
        self.last_append + stream_time.since(self.quiet_from).max(config.idle_after())
    }
}

impl Farm {
    pub(crate) fn new(id: FarmId, closed_until: Option<Timestamp>) -> Self {
        Self {
            id,
            closed_until,
            scheduled: None,
            windows: VecDeque::new(),
            last_append: None,
            notes: Notes::default(),
        }
    }

    /// Takes a reading; what is due at its append time has been closed.
    pub(crate) fn observe(
        &mut self,
        record: &Observed<'_>,
        config: &WindowConfig,
        register: &mut Register,
    ) -> Outcome {
        let (reading, appended_at) = (record.reading, record.appended_at);
        let stream_time = self.settle(appended_at, config, register);
        let outcome = if self.has_closed(reading.event_time) {
            self.last_append = self.last_append.and(Some(appended_at));
            let window_start = config.window_start(reading.event_time);
            let by = self.late_by(window_start, stream_time, config);
            Outcome::Late { by, window_start }
        } else {
            self.last_append = Some(appended_at);
            self.count(record, config, register)
        };
        self.close(appended_at, config, register);
        outcome
    }

    fn count(&mut self, record: &Observed<'_>, config: &WindowConfig, register: &mut Register) -> Outcome {
        let reading = record.reading;
        let start = self.window_start(reading.event_time, config);
        let place = self.window(start, record.offset, register);
        let mut newer = self.windows.range(place + 1..);
        let arrival = Arrival {
            appended_at: record.appended_at,
            is_overtaken: newer.any(|window| window.summary.has_reading_of(&reading.turbine_id)),
        };
        let window = &mut self.windows[place];
        window
            .event_times
            .take(&reading.turbine_id, reading.event_time, record.appended_at);
        match window
            .summary
            .add_arrived(&reading.turbine_id, reading.event_time, &reading.metrics, arrival)
        {
            Added::Counted => Outcome::Accepted,
            Added::Duplicate => Outcome::Duplicate,
        }
    }

    /// Counts a reading that broke a rule, or notes it for a window that may come, unless that has closed.
    pub(crate) fn reject(&mut self, record: &Rejected<'_>, config: &WindowConfig, register: &mut Register) {
        self.settle(record.appended_at, config, register);
        let window_start = self.window_start(record.event_time, config);
        self.notes.end_distant(window_start, config, register);
        if self.has_closed(record.event_time) {
            return;
        }
        match self.place(window_start) {
            Ok(place) => self.windows[place].summary.reject(record.turbine_id.as_str()),
            Err(_) => self.notes.add(record, window_start, config, register),
        }
    }

    /// Closes and ends what is due at `log_time`.
    pub(crate) fn advance(&mut self, log_time: Timestamp, config: &WindowConfig, register: &mut Register) {
        self.notes.end_due(log_time, register);
        self.close(log_time, config, register);
    }

    /// The log time at which something is to be done, if no more records come; none if nothing is open.
    pub(crate) fn due(&self, config: &WindowConfig, register: &Register) -> Option<Timestamp> {
        let first = self
            .base()
            .zip(self.windows.front())
            .filter(|_| !register.is_replaying);
        let closes = first.map(|(base, first)| base.reaches(config.closes_at(first.start), config));
        closes.into_iter().chain(self.notes.due()).min()
    }

    /// Whether there is nothing to know: only rejected readings came, and their notes have ended.
    pub(crate) fn is_blank(&self) -> bool {
        self.closed_until.is_none() && self.windows.is_empty() && self.notes.is_empty()
    }

    /// Writes down what stream time has closed before a record at `appended_at` is handled, and returns it.
    ///
    /// A record may end the quiet in which stream time ran on, so that it falls back; what was closed stays so.
    /// Being told at records alone (and at windows that close), `closed_until` does not depend on when ticks came.
    fn settle(
        &mut self,
        appended_at: Timestamp,
        config: &WindowConfig,
        register: &mut Register,
    ) -> Option<Timestamp> {
        let stream_time = self.base()?.stream_time(appended_at, config);
        if register.is_replaying {
            return Some(stream_time);
        }
        self.raise_closed_until(config.closed_until(stream_time), config, register);
        Some(stream_time)
    }

    fn raise_closed_until(&mut self, until: Timestamp, config: &WindowConfig, register: &mut Register) {
        if self.closed_until < Some(until) {
            self.closed_until = Some(until);
            self.notes.end_closed(until, config, register);
            register.closed_until_changed = true;
        }
    }

    /// Whether what happened at `event_time` is told of already, or left out. Where windows have always been as long
    /// as now, that is so when its window ends at or before `closed_until`.
    fn has_closed(&self, event_time: Timestamp) -> bool {
        Some(event_time) < self.closed_until
    }

    /// Start of the window that counts what happened at `event_time`. After a restart with another window size the
    /// first one may begin in the middle, where those end that are closed.
    fn window_start(&self, event_time: Timestamp, config: &WindowConfig) -> Timestamp {
        let start = config.window_start(event_time);
        self.closed_until
            .filter(|until| *until <= event_time)
            .map_or(start, |until| until.max(start))
    }

    fn late_by(
        &self,
        window_start: Timestamp,
        stream_time: Option<Timestamp>,
        config: &WindowConfig,
    ) -> TimeDelta {
        // without a stream time, the one that closed the last window is what is known
        let closed_at = self.closed_until.map(|until| until + config.grace());
        stream_time
            .max(closed_at)
            .map_or(TimeDelta::ZERO, |time| time.since(config.closes_at(window_start)))
            .max(TimeDelta::ZERO) // windows may have been shorter when it was closed
    }

    fn base(&self) -> Option<Base> {
        let last_append = self.last_append?;
        let newest_first = self.windows.iter().rev().map(|window| &window.event_times);
        let highest = self.windows.back()?.event_times.highest()?;
        Some(Base {
            highest_event: highest_supported(newest_first, last_append)?,
            quiet_from: highest.min(last_append),
            last_append,
        })
    }

    /// The place of the open window that starts there, else where it would be; the newest are looked at first,
    /// being the usual ones.
    fn place(&self, start: Timestamp) -> Result<usize, usize> {
        match self.windows.iter().rposition(|window| window.start <= start) {
            Some(place) if self.windows[place].start == start => Ok(place),
            Some(before) => Err(before + 1),
            None => Err(0),
        }
    }

    /// The place of the window that starts there, opened with what is noted of it if need be.
    fn window(&mut self, start: Timestamp, offset: Offset, register: &mut Register) -> usize {
        self.place(start).unwrap_or_else(|place| {
            let mut summary = WindowSummary::default();
            let noted = self.notes.give_to(&mut summary, start, register);
            let window = OpenWindow {
                start,
                first_offset: noted.map_or(offset, |noted| noted.min(offset)),
                summary,
                event_times: EventTimes::default(),
            };
            register.first_offsets.insert(window.first_offset);
            register.open_windows += 1;
            self.windows.insert(place, window);
            place
        })
    }

    fn close(&mut self, log_time: Timestamp, config: &WindowConfig, register: &mut Register) {
        let Some(base) = self.base().filter(|_| !register.is_replaying) else {
            return;
        };
        let stream_time = base.stream_time(log_time, config);
        let is_due = |window: &mut OpenWindow| config.closes_at(window.start) <= stream_time;
        while let Some(window) = self.windows.pop_front_if(is_due) {
            self.finish(window, base.highest_event, config, register);
        }
        // With the last window goes what stream time is reckoned from, and `closed_until` is that window's end exactly:
        // how far stream time has run on beyond it depends on when log time was told, which is not in the log.
        if self.windows.is_empty() {
            self.last_append = None;
        }
    }

    fn finish(
        &mut self,
        window: OpenWindow,
        highest_event: Timestamp,
        config: &WindowConfig,
        register: &mut Register,
    ) {
        let close_reason = if config.closes_at(window.start) <= highest_event {
            CloseReason::StreamTime
        } else {
            CloseReason::Idle
        };
        register.first_offsets.remove(&window.first_offset);
        register.open_windows -= 1;
        self.raise_closed_until(config.window_end(window.start), config, register);
        register
            .closed
            .push(window.finish(&self.id, config, close_reason));
    }
}
