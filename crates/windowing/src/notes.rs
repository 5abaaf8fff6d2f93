//! Rejected readings of windows that no reading has opened.

use std::collections::BTreeMap;

use domain::{Timestamp, TurbineId, WindowSummary};

use crate::register::Register;
use crate::{Offset, Rejected, WindowConfig};

/// Rejected readings that are to be counted if a reading opens their window, as only then there is one to tell of.
///
/// What ends a note follows from its own records and later ones alone, so that a replay which begins amid them ends
/// it alike: the passing of log time, a rejected reading far away, or the closing of its window.
#[derive(Debug, Default)]
pub(crate) struct Notes(BTreeMap<Key, Note>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    window_start: Timestamp,
    /// The log time that ends the note. Each of its records alone gives the same: were it reckoned from the first
    /// one, a replay that begins after that would keep the others longer.
    ends_at: Timestamp,
}

#[derive(Debug)]
struct Note {
    first_offset: Offset,
    rejected: BTreeMap<TurbineId, u64>,
}

impl Notes {
    /// Notes a rejected reading.
    pub(crate) fn add(
        &mut self,
        record: &Rejected<'_>,
        window_start: Timestamp,
        config: &WindowConfig,
        register: &mut Register,
    ) {
        let key = Key {
            window_start,
            ends_at: config.note_ends_at(record.appended_at),
        };
        let note = self.0.entry(key).or_insert_with(|| {
            register.first_offsets.insert(record.offset);
            Note {
                first_offset: record.offset,
                rejected: BTreeMap::new(),
            }
        });
        *note.rejected.entry(record.turbine_id.clone()).or_default() += 1;
    }

    /// Moves what is noted of a window into its summary, and returns the first record of that.
    pub(crate) fn give_to(
        &mut self,
        summary: &mut WindowSummary,
        window_start: Timestamp,
        register: &mut Register,
    ) -> Option<Offset> {
        let notes: Vec<_> = self
            .0
            .extract_if(.., |key, _| key.window_start == window_start)
            .map(|(_, note)| note)
            .collect();
        for note in &notes {
            register.first_offsets.remove(&note.first_offset);
            for (turbine_id, count) in &note.rejected {
                (0..*count).for_each(|_| summary.reject(turbine_id.as_str()));
            }
        }
        notes.iter().map(|note| note.first_offset).min()
    }

    /// Ends the notes whose time has passed.
    pub(crate) fn end_due(&mut self, log_time: Timestamp, register: &mut Register) {
        self.retain(register, |key| key.ends_at > log_time);
    }

    /// Ends the notes of windows that are closed.
    pub(crate) fn end_closed(
        &mut self,
        closed_until: Timestamp,
        config: &WindowConfig,
        register: &mut Register,
    ) {
        self.retain(register, |key| config.window_end(key.window_start) > closed_until);
    }

    /// Ends the notes of windows far from the one that starts there, on either side: a farm whose every reading is
    /// refused would else leave one for each minute of a year that it sends within a second.
    pub(crate) fn end_distant(
        &mut self,
        window_start: Timestamp,
        config: &WindowConfig,
        register: &mut Register,
    ) {
        let near = window_start - config.note_reach()..=window_start + config.note_reach();
        self.retain(register, |key| near.contains(&key.window_start));
    }

    /// The log time at which the next one ends.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.0.keys().map(|key| key.ends_at).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn retain(&mut self, register: &mut Register, keep: impl Fn(&Key) -> bool) {
        for (_, note) in self.0.extract_if(.., |key, _| !keep(key)) {
            register.first_offsets.remove(&note.first_offset);
        }
    }
}
