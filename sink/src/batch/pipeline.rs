//! Two batches in order: the next one fills while the one before is being stored.

use std::time::{Duration, Instant};

use rdkafka::message::Headers;

use super::{Batch, Progress, Sealed, Taken};
use crate::lane::Lane;
use crate::rows::reading::Place;

/// What is between Kafka and the database. Whoever stores takes a batch by [`Self::next_batch`] and tells what came of it by
/// one of [`Self::stored`], [`Self::failed`] and [`Self::fenced`]; until then there is no other.
///
/// **Invariant.** Batches are stored in the order of their records, one at a time, and none is skipped: either all that
/// was read since what is stored is here, or it is forgotten altogether and read again.
#[derive(Debug, Clone)]
pub struct Pipeline {
    filling: Batch,
    /// What could not be stored, to be tried again before anything else.
    waiting: Option<Sealed>,
    is_storing: bool,
    /// The lanes must be read again from the database's offsets; until then no record is taken.
    is_displaced: bool,
}

impl Pipeline {
    /// With nothing in it.
    pub const fn new(batch: Batch) -> Self {
        Self {
            filling: batch,
            waiting: None,
            is_storing: false,
            is_displaced: false,
        }
    }

    /// The lanes that are owned.
    pub fn lanes(&self) -> impl Iterator<Item = (Lane, Progress)> + '_ {
        self.filling.lanes()
    }

    /// Takes over a lane at the database's next offset.
    pub fn own(&mut self, lane: Lane, stored: i64) {
        self.filling.own(lane, stored);
    }

    /// Gives a lane up; what was read of it must have been stored or forgotten before.
    pub fn disown(&mut self, lane: Lane) {
        self.filling.disown(lane);
    }

    /// Whether the record of this offset is still to be read.
    pub fn wants(&self, lane: Lane, offset: i64) -> bool {
        !self.is_displaced && self.filling.wants(lane, offset)
    }

    /// Adds what a wanted record has become.
    pub fn push<H: Headers>(&mut self, lane: Lane, place: Place, taken: Taken<'_, H>, now: Instant) {
        self.filling.push(lane, place, taken, now);
    }

    /// Moves a lane over what nobody gets to see.
    pub fn skip_to(&mut self, lane: Lane, position: i64, now: Instant) {
        if !self.is_displaced {
            self.filling.skip_to(lane, position, now);
        }
    }

    /// Whether another record can be taken.
    pub fn has_room(&self) -> bool {
        !self.filling.is_full()
    }

    /// Whether all that was read is stored.
    pub const fn is_empty(&self) -> bool {
        self.filling.is_empty() && self.waiting.is_none() && !self.is_storing
    }

    /// Whether a batch is with whoever stores.
    pub const fn is_storing(&self) -> bool {
        self.is_storing
    }

    /// Whether the lanes must be placed anew.
    pub const fn is_displaced(&self) -> bool {
        self.is_displaced
    }

    /// Rows that are not known to be stored, but for those with whoever stores.
    pub fn rows(&self) -> u64 {
        self.filling.rows().len() + self.waiting.as_ref().map_or(0, |sealed| sealed.rows.len())
    }

    /// The batch that could not be stored, if there is one.
    #[cfg(test)]
    pub(super) const fn waiting(&self) -> Option<&Sealed> {
        self.waiting.as_ref()
    }

    /// Whether a batch is to be stored now.
    pub fn is_due(&self, now: Instant) -> bool {
        !self.is_storing && (self.waiting.is_some() || self.filling.is_due(now))
    }

    /// How long until one is; none while nothing waits for time to pass.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.is_storing {
            None
        } else if self.waiting.is_some() || self.filling.is_due(now) {
            Some(Duration::ZERO)
        } else {
            self.filling.due_in(now)
        }
    }

    /// The batch that is to be stored next, whether it is due or not; none while another one is being stored, and if
    /// there is nothing.
    pub fn next_batch(&mut self) -> Option<Sealed> {
        if self.is_storing {
            return None;
        }
        let next = match self.waiting.take() {
            None if self.filling.is_empty() => None,
            None => Some(self.filling.seal()),
            waiting => waiting,
        };
        self.is_storing = next.is_some();
        next
    }

    /// It is in the database.
    pub fn stored(&mut self, sealed: Sealed) {
        self.is_storing = false;
        self.filling.stored(sealed);
    }

    /// It may not be in the database, and nothing speaks against trying again.
    pub fn failed(&mut self, sealed: Sealed) {
        self.is_storing = false;
        // what was forgotten meanwhile is read again
        if !self.is_displaced {
            self.waiting = Some(sealed);
        }
    }

    /// Its lanes are not where it begins: somebody else has stored what is here, or it was stored without our knowing.
    pub fn fenced(&mut self) {
        self.is_storing = false;
        self.forget();
    }

    /// Forgets all that is not with whoever stores; the lanes must be placed anew.
    pub fn forget(&mut self) {
        self.waiting = None;
        self.filling.forget();
        self.is_displaced = true;
    }

    /// Every lane reads on from what the database says.
    pub fn replaced(&mut self, offsets: impl IntoIterator<Item = (Lane, i64)>) {
        for (lane, offset) in offsets {
            self.filling.own(lane, offset);
        }
        self.is_displaced = false;
    }
}
