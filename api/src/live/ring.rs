//! What came last, as much as fits.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Event, Position};

/// The newest events in the order in which they came, numbered. Holds every event from [`Ring::begin`] to
/// [`Ring::head`].
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    /// The number of the first one.
    first: u64,
    bytes: usize,
    capacity_bytes: usize,
    begin: Position,
    head: Position,
}

/// A reader's place is not in the ring any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overtaken;

impl Ring {
    /// Empty: events from `begin` on will come, and who has no position of their own starts at `head`.
    pub(super) fn new(capacity_bytes: usize, begin: Position, head: Position) -> Self {
        Self {
            events: VecDeque::new(),
            first: 0,
            bytes: 0,
            capacity_bytes,
            begin,
            head,
        }
    }

    /// From here on it holds everything.
    pub(super) const fn begin(&self) -> &Position {
        &self.begin
    }

    /// After everything that it holds, and everything that had been there when it began.
    pub(super) const fn head(&self) -> &Position {
        &self.head
    }

    /// The number of its first event.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next event will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Adds the newest; the oldest go if there is no room.
    pub(super) fn push(&mut self, event: Event) {
        self.head.advance(event.source, event.partition, event.offset + 1);
        self.bytes += event.bytes();
        self.events.push_back(Arc::new(event));
        while self.bytes > self.capacity_bytes && self.events.len() > 1 {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.first += 1;
            self.bytes -= oldest.bytes();
            self.begin
                .advance(oldest.source, oldest.partition, oldest.offset + 1);
        }
    }

    /// At most `limit` events from number `from` on.
    ///
    /// # Errors
    /// [`Overtaken`] when that one has gone.
    pub(super) fn read(&self, from: u64, limit: usize) -> Result<Vec<Arc<Event>>, Overtaken> {
        let skipped = from.checked_sub(self.first).ok_or(Overtaken)?;
        let skipped =
            usize::try_from(skipped).map_or(self.events.len(), |skipped| skipped.min(self.events.len()));
        Ok(self.events.range(skipped..).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::super::event::Place;
    use super::*;

    fn event(offset: i64) -> Event {
        let place = Place {
            source: Source::Readings,
            partition: 0,
            offset,
        };
        Event::new(place, None, &"x")
    }

    fn ring(events: usize) -> Ring {
        let begin: Position = "r0:10".parse().unwrap();
        Ring::new(events * event(0).bytes(), begin.clone(), begin)
    }

    fn offsets(ring: &Ring, from: u64) -> Vec<i64> {
        ring.read(from, 100)
            .unwrap()
            .iter()
            .map(|event| event.offset)
            .collect()
    }

    #[test]
    fn the_newest_events_stay_and_the_ring_knows_from_where_it_has_them_all() {
        let mut ring = ring(3);
        for offset in [10, 12, 15, 16, 17] {
            ring.push(event(offset));
        }
        assert_eq!(offsets(&ring, 2), [15, 16, 17]);
        assert_eq!(offsets(&ring, 4), [17]);
        assert_eq!(offsets(&ring, 5), [0; 0]);
        assert_eq!(ring.read(1, 100), Err(Overtaken));
        assert_eq!((ring.first(), ring.next()), (2, 5));
        assert_eq!(
            (ring.begin().to_string(), ring.head().to_string()),
            ("r0:13".into(), "r0:18".into())
        );
    }

    #[test]
    fn one_event_that_is_larger_than_the_ring_still_fits() {
        let mut ring = ring(0);
        ring.push(event(10));
        ring.push(event(11));
        assert_eq!(offsets(&ring, 1), [11]);
    }
}
