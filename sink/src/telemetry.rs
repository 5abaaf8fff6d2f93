//! What the sink counts and measures.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::batch::Rows;
use crate::lane::Lane;

/// A batch is in the database.
pub(crate) fn stored(rows: &Rows, duplicates: u64, took: Duration) {
    counter!("windfarm_sink_batches_total").increment(1);
    counter!("windfarm_sink_duplicates_total").increment(duplicates);
    histogram!("windfarm_sink_batch_seconds").record(took.as_secs_f64());
    for (table, buffer) in [
        ("readings", &rows.readings),
        ("farm_windows", &rows.farm_windows),
        ("turbine_windows", &rows.turbine_windows),
        ("dead_letters", &rows.dead_letters),
    ] {
        if !buffer.is_empty() {
            counter!("windfarm_sink_rows_total", "table" => table).increment(buffer.rows());
        }
    }
}

/// Records that became nothing because they broke a rule.
pub(crate) fn refused(records: u64) {
    counter!("windfarm_sink_refused_total").increment(records);
}

/// How long a part of storing a batch took.
pub(crate) fn phase(name: &'static str, took: Duration) {
    histogram!("windfarm_sink_phase_seconds", "phase" => name).record(took.as_secs_f64());
}

/// Somebody else has stored what was ours.
pub(crate) fn fenced() {
    counter!("windfarm_sink_fenced_total").increment(1);
}

/// Windows were made anew.
pub(crate) fn revised(windows: u64) {
    counter!("windfarm_sink_revisions_total").increment(windows);
}

/// How many records a lane is behind.
pub(crate) fn lag(lane: Lane, topic: &str, records: i64) {
    let labels = [
        ("topic", topic.to_owned()),
        ("partition", lane.partition.to_string()),
    ];
    gauge!("windfarm_sink_lag_records", &labels).set(records as f64);
}
