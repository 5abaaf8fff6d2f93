//! Rows of the tables of windows that were put together.

use std::sync::LazyLock;

use domain::{FarmId, RollUp, Timestamp, TurbineId};
use stored::Of;

use super::window;
use crate::copy::CopyBuffer;

/// The columns of a row, in order.
pub fn columns(of: Of) -> &'static [String] {
    static OF_FARM: LazyLock<Vec<String>> = LazyLock::new(|| list(Of::Farm));
    static OF_TURBINE: LazyLock<Vec<String>> = LazyLock::new(|| list(Of::Turbine));
    match of {
        Of::Farm => &OF_FARM,
        Of::Turbine => &OF_TURBINE,
    }
}

/// Adds what windows of a farm, or of one turbine of it, came to.
pub fn put(
    rows: &mut CopyBuffer,
    farm_id: &FarmId,
    turbine_id: Option<&TurbineId>,
    start: Timestamp,
    turbine_count: u64,
    roll_up: &RollUp,
) {
    let (stored_of, of) = match turbine_id {
        None => (Of::Farm, window::Of::Farm),
        Some(_) => (Of::Turbine, window::Of::Turbine),
    };
    let mut row = rows.row(columns(stored_of).len());
    row.plain(farm_id.as_str());
    if let Some(turbine_id) = turbine_id {
        row.plain(turbine_id.as_str());
    }
    row.timestamptz(start);
    row.float8(roll_up.turbine_time.as_micros() as f64 / 1e6);
    row.integer(i32::try_from(roll_up.revision).unwrap_or(i32::MAX));
    row.count(roll_up.duplicate_count);
    row.count(roll_up.rejected_count);
    window::put_quality(&mut row, roll_up.quality);
    row.count(roll_up.reading_count);
    if of == window::Of::Farm {
        row.count(turbine_count);
    }
    window::put_metrics(&mut row, roll_up.energy_kwh, &roll_up.metrics, of);
}

fn list(of: Of) -> Vec<String> {
    let (key, figures): (&[_], _) = match of {
        Of::Farm => (&["farm_id"], window::figures(window::Of::Farm)),
        Of::Turbine => (&["farm_id", "turbine_id"], window::figures(window::Of::Turbine)),
    };
    let about = [
        "window_start",
        "turbine_seconds",
        "revision",
        "duplicate_count",
        "rejected_count",
    ];
    let own = key.iter().chain(&about).map(|&column| column.to_owned());
    own.chain(window::quality_columns()).chain(figures).collect()
}
