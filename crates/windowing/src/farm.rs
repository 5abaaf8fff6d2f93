//! The windows of one farm.

use std::collections::VecDeque;

use domain::{Added, Arrival, CloseReason, FarmId, TimeDelta, Timestamp};

use crate::clock::highest_supported;
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
    /// Before stream time comes here, `closed_until` stays as it is.
    moves_at: Timestamp,
    /// When the partition looks at this farm next; never after [`Farm::due`].
    pub(crate) scheduled: Option<Timestamp>,
    /// In the order of their starts.
    windows: VecDeque<OpenWindow>,
    /// Append time of the last reading, there while a window is open. Rejected ones do not count: a farm that sends
    /// only rubbish is quiet. It follows from the records since the oldest open window's first one, so that a restart
    /// finds it again.
    last_append: Option<Timestamp>,
    /// What stream time is reckoned from: follows from `windows` and `last_append`.
    base: Option<Base>,
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
            moves_at: Timestamp::MIN,
            scheduled: None,
            windows: VecDeque::new(),
            last_append: None,
            base: None,
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
        self.base = self.base();
        self.close(appended_at, config, register);
        outcome
    }

    fn count(&mut self, record: &Observed<'_>, config: &WindowConfig, register: &mut Register) -> Outcome {
        let reading = record.reading;
        let place = match self.place(reading.event_time) {
            Some(place) => place,
            None => self.open(reading.event_time, record.offset, config, register),
        };
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
        match self.place(record.event_time) {
            Some(place) => self.windows[place].summary.reject(record.turbine_id.as_str()),
            None => self.notes.add(record, window_start, config, register),
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
            .base
            .zip(self.windows.front())
            .filter(|_| !register.is_replaying);
        let closes = first.map(|(base, first)| base.reaches(first.closes_at, config));
        match (closes, self.notes.due()) {
            (Some(closes), Some(ends)) => Some(closes.min(ends)),
            (closes, ends) => closes.or(ends),
        }
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
        let stream_time = self.base?.stream_time(appended_at, config);
        if stream_time >= self.moves_at && !register.is_replaying {
            self.raise_closed_until(config.closed_until(stream_time), config, register);
        }
        Some(stream_time)
    }

    fn raise_closed_until(&mut self, until: Timestamp, config: &WindowConfig, register: &mut Register) {
        if self.closed_until < Some(until) {
            self.closed_until = Some(until);
            self.notes.end_closed(until, config, register);
            register.closed_until_changed = true;
        }
        self.moves_at = self
            .closed_until
            .map_or(Timestamp::MIN, |until| config.closes_at(until));
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
        let newest = &self.windows.back()?.event_times;
        let highest_event = match newest.undoubted() {
            Some(highest) => highest,
            None => {
                let newest_first = self.windows.iter().rev().map(|window| &window.event_times);
                highest_supported(newest_first, last_append)?
            }
        };
        Some(Base {
            highest_event,
            quiet_from: newest.highest()?.min(last_append),
            last_append,
        })
    }

    /// The place of the open window that counts what happened at `event_time`; the newest are looked at first, being the
    /// usual ones.
    fn place(&self, event_time: Timestamp) -> Option<usize> {
        let place = self
            .windows
            .iter()
            .rposition(|window| window.start <= event_time)?;
        (event_time < self.windows[place].end).then_some(place)
    }

    /// Opens the window that counts what happened at `event_time`, with what is noted of it, and returns its place.
    fn open(
        &mut self,
        event_time: Timestamp,
        offset: Offset,
        config: &WindowConfig,
        register: &mut Register,
    ) -> usize {
        let start = self.window_start(event_time, config);
        let mut window = OpenWindow::new(start, offset, config);
        if let Some(noted) = self.notes.give_to(&mut window.summary, start, register) {
            window.first_offset = noted.min(offset);
        }
        register.first_offsets.insert(window.first_offset);
        register.open_windows += 1;
        let place = self.windows.partition_point(|window| window.start < start);
        self.windows.insert(place, window);
        place
    }

    fn close(&mut self, log_time: Timestamp, config: &WindowConfig, register: &mut Register) {
        let Some(base) = self.base.filter(|_| !register.is_replaying) else {
            return;
        };
        let stream_time = base.stream_time(log_time, config);
        let is_due = |window: &mut OpenWindow| window.closes_at <= stream_time;
        let open = self.windows.len();
        while let Some(window) = self.windows.pop_front_if(is_due) {
            self.finish(window, base.highest_event, config, register);
        }
        // With the last window goes what stream time is reckoned from, and `closed_until` is that window's end exactly:
        // how far stream time has run on beyond it depends on when log time was told, which is not in the log.
        if self.windows.is_empty() {
            self.last_append = None;
        }
        if self.windows.len() < open {
            self.base = self.base();
        }
    }

    fn finish(
        &mut self,
        window: OpenWindow,
        highest_event: Timestamp,
        config: &WindowConfig,
        register: &mut Register,
    ) {
        let close_reason = if window.closes_at <= highest_event {
            CloseReason::StreamTime
        } else {
            CloseReason::Idle
        };
        register.first_offsets.remove(&window.first_offset);
        register.open_windows -= 1;
        self.raise_closed_until(window.end, config, register);
        register.closed.push(window.finish(&self.id, close_reason));
    }
}
