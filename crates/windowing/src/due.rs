//! Which farms to look at, and when.

use std::collections::BTreeSet;

use domain::{FarmId, Timestamp};

use crate::farm::Farm;

/// The farms with open windows, by the log time before which nothing of theirs is due.
///
/// Most records make something due later. That is left alone: the farm is looked at too early, once in a while, and
/// put in place again. So the usual record costs no change here, and the usual tick costs one comparison.
#[derive(Debug, Default)]
pub(crate) struct Due(BTreeSet<(Timestamp, FarmId)>);

impl Due {
    /// Sees to it that `farm` is looked at in time.
    pub(crate) fn schedule(&mut self, farm: &mut Farm, due: Timestamp) {
        match farm.scheduled {
            Some(scheduled) if scheduled <= due => return,
            Some(scheduled) => {
                self.0.remove(&(scheduled, farm.id.clone()));
            }
            None => {}
        }
        self.0.insert((due, farm.id.clone()));
        farm.scheduled = Some(due);
    }

    /// Whether something may be due at `log_time`.
    pub(crate) fn is_any_until(&self, log_time: Timestamp) -> bool {
        self.0.first().is_some_and(|(due, _)| *due <= log_time)
    }

    /// Takes out the farms of which something may be due at `log_time`.
    pub(crate) fn take_until(&mut self, log_time: Timestamp) -> Vec<FarmId> {
        let mut farms = Vec::new();
        while self.is_any_until(log_time) {
            farms.extend(self.0.pop_first().map(|(_, farm_id)| farm_id));
        }
        farms
    }
}
