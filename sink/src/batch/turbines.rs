//! What this thread knows of the turbines whose readings it takes.

use domain::{FarmId, Reading, TurbineId};
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use super::seen::{Seen, Span};

/// Beyond this many turbines all is forgotten: it is a hint, and ids are whatever somebody sends.
const MOST: usize = 200_000;

/// A turbine that has readings in a batch, and between which times they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurbineSpan {
    /// Its farm.
    pub farm_id: FarmId,
    /// The turbine.
    pub turbine_id: TurbineId,
    /// Event times.
    pub span: Span,
}

/// Turbines by farm; kept from batch to batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Turbines {
    by_farm: HashMap<FarmId, HashMap<TurbineId, usize>>,
    all: Vec<Turbine>,
    /// Those that have readings in the batch.
    in_batch: Vec<usize>,
    /// Whose the rows are that look new, in the order in which they came.
    rows: Vec<usize>,
}

/// The turbines of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OfBatch {
    /// In the order of ids, so that two who store at once lock in the same order.
    pub(super) spans: Vec<TurbineSpan>,
    /// Of each row that looks new, the place of its turbine in that order.
    pub(super) ranks: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Turbine {
    farm_id: FarmId,
    turbine_id: TurbineId,
    seen: Seen,
    /// Of the batch.
    span: Option<Span>,
    /// Its place among those of the batch.
    rank: usize,
}

impl Turbines {
    /// Takes note of a reading; true if it may have been there before.
    pub(super) fn observe(&mut self, reading: &Reading<'_>) -> bool {
        let index = self.index_of(reading);
        let turbine = &mut self.all[index];
        let span = Span::of(reading.event_time);
        match &mut turbine.span {
            Some(known) => known.include(span),
            None => {
                turbine.span = Some(span);
                self.in_batch.push(index);
            }
        }
        let is_suspect = turbine.seen.observe(reading.event_time);
        if !is_suspect {
            self.rows.push(index);
        }
        is_suspect
    }

    /// Ends a batch.
    pub(super) fn take_batch(&mut self) -> OfBatch {
        let mut in_batch = std::mem::take(&mut self.in_batch);
        let id = |index: &usize| {
            let turbine = &self.all[*index];
            (&turbine.farm_id, &turbine.turbine_id)
        };
        in_batch.sort_unstable_by(|one, other| id(one).cmp(&id(other)));
        let mut spans = Vec::with_capacity(in_batch.len());
        for index in in_batch.drain(..) {
            let turbine = &mut self.all[index];
            turbine.rank = spans.len();
            spans.extend(turbine.span.take().map(|span| TurbineSpan {
                farm_id: turbine.farm_id.clone(),
                turbine_id: turbine.turbine_id.clone(),
                span,
            }));
        }
        self.in_batch = in_batch;
        let ranks = self.rows.drain(..).map(|index| self.all[index].rank).collect();
        if self.all.len() > MOST {
            *self = Self::default();
        }
        OfBatch { spans, ranks }
    }

    fn index_of(&mut self, reading: &Reading<'_>) -> usize {
        let of_farm = match self.by_farm.entry_ref(reading.farm_id.as_ref()) {
            EntryRef::Occupied(entry) => entry.into_mut(),
            EntryRef::Vacant(entry) => entry.insert_with_key(reading.to_farm_id(), HashMap::new()),
        };
        match of_farm.entry_ref(reading.turbine_id.as_ref()) {
            EntryRef::Occupied(entry) => *entry.get(),
            EntryRef::Vacant(entry) => {
                let turbine_id = reading.to_turbine_id();
                let index = self.all.len();
                self.all.push(Turbine {
                    farm_id: reading.to_farm_id(),
                    turbine_id: turbine_id.clone(),
                    seen: Seen::default(),
                    span: None,
                    rank: 0,
                });
                entry.insert_with_key(turbine_id, index);
                index
            }
        }
    }
}
