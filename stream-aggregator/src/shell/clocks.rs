//! Which turbines' clocks run ahead, for the metrics.

use std::collections::BTreeMap;

use domain::{FarmId, FarmWindow, TurbineId};

use super::metrics;

/// The suspicious clocks of each farm's last window, of the partitions that are ours.
#[derive(Debug, Default)]
pub(super) struct Clocks(BTreeMap<(i32, FarmId), Vec<TurbineId>>);

impl Clocks {
    /// Takes a window that has closed. Farms whose clocks are all right, as they should be, cost a look.
    pub(super) fn take(&mut self, partition: i32, window: &FarmWindow) {
        let suspicious = &window.suspicious_clocks;
        if suspicious.is_empty() && self.0.is_empty() {
            return;
        }
        let farm_id = &window.farm_id;
        let key = (partition, farm_id.clone());
        let former = if suspicious.is_empty() {
            self.0.remove(&key)
        } else {
            self.0.insert(key, suspicious.clone())
        };
        for turbine_id in former.iter().flatten().filter(|id| !suspicious.contains(id)) {
            metrics::suspicious_clock(farm_id, turbine_id, false);
        }
        for turbine_id in suspicious {
            metrics::suspicious_clock(farm_id, turbine_id, true);
        }
    }

    /// Somebody else tells of that partition from now on.
    pub(super) fn forget(&mut self, partition: i32) {
        for ((_, farm_id), suspicious) in self.0.extract_if(.., |(of, _), _| *of == partition) {
            for turbine_id in &suspicious {
                metrics::suspicious_clock(&farm_id, turbine_id, false);
            }
        }
    }
}
