//! What is measured, described once.

use std::time::Duration;

use domain::{FarmId, Quality, TurbineId};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::machine::Counts;

const PROCESSED: &str = "windfarm_stream_aggregator_records_processed_total";
const REPLAYED: &str = "windfarm_stream_aggregator_records_replayed_total";
const DUPLICATES: &str = "windfarm_stream_aggregator_duplicates_total";
const LATE: &str = "windfarm_stream_aggregator_late_readings_total";
const DEAD_LETTERS: &str = "windfarm_stream_aggregator_dead_letters_total";
const CLOSED: &str = "windfarm_stream_aggregator_windows_closed_total";
const RESTORED: &str = "windfarm_stream_aggregator_partitions_restored_total";
const COMMITS: &str = "windfarm_stream_aggregator_commits_total";
const ABORTS: &str = "windfarm_stream_aggregator_aborts_total";
const RECREATED: &str = "windfarm_stream_aggregator_producers_recreated_total";
const COMMIT_SECONDS: &str = "windfarm_stream_aggregator_commit_seconds";
const ODD: &str = "windfarm_stream_aggregator_odd_readings_total";
const SUSPICIOUS_CLOCKS: &str = "windfarm_stream_aggregator_suspicious_clock";
const OPEN_WINDOWS: &str = "windfarm_stream_aggregator_open_windows";
const LAG: &str = "windfarm_stream_aggregator_lag_records";

pub(super) fn describe() {
    describe_counter!(
        PROCESSED,
        "Records of the readings processed for the first time; aborted ones count again"
    );
    describe_counter!(REPLAYED, "Records read again to rebuild open windows");
    describe_counter!(DUPLICATES, "Readings of a turbine and time that had been counted");
    describe_counter!(LATE, "Readings whose window had closed");
    describe_counter!(DEAD_LETTERS, "Records refused");
    describe_counter!(CLOSED, "Farm windows closed, by reason");
    describe_counter!(RESTORED, "Partitions taken up");
    describe_counter!(COMMITS, "Transactions committed");
    describe_counter!(ABORTS, "Transactions aborted");
    describe_counter!(RECREATED, "Producers replaced because the broker refused them");
    describe_histogram!(
        COMMIT_SECONDS,
        "Time from the wish to commit to the broker's word"
    );
    describe_counter!(
        ODD,
        "What was odd about the readings of windows that have closed, by flag; nothing was left out for it"
    );
    describe_gauge!(
        SUSPICIOUS_CLOCKS,
        "1 for each turbine whose clock ran ahead of its fellows' in its farm's last window, 0 when it does no more"
    );
    describe_gauge!(OPEN_WINDOWS, "Farm windows that are open, by thread");
    describe_gauge!(LAG, "Records of a partition that are not read yet");
}

pub(super) fn count(counts: &Counts) {
    let by_name = [
        (PROCESSED, counts.processed),
        (REPLAYED, counts.replayed),
        (DUPLICATES, counts.duplicates),
        (LATE, counts.late),
        (DEAD_LETTERS, counts.dead_letters),
        (RESTORED, counts.restored),
    ];
    for (name, count) in by_name {
        counter!(name).increment(count);
    }
    for (flag, count) in Quality::NAMES.into_iter().zip(counts.quality.counts()) {
        counter!(ODD, "flag" => flag).increment(count);
    }
    counter!(CLOSED, "reason" => "stream_time").increment(counts.closed_by_stream_time);
    counter!(CLOSED, "reason" => "idle").increment(counts.closed_by_idleness);
}

pub(super) fn committed(took: Duration) {
    counter!(COMMITS).increment(1);
    histogram!(COMMIT_SECONDS).record(took);
}

pub(super) fn aborted() {
    counter!(ABORTS).increment(1);
}

pub(super) fn recreated() {
    counter!(RECREATED).increment(1);
}

pub(super) fn suspicious_clock(farm_id: &FarmId, turbine_id: &TurbineId, is_suspicious: bool) {
    gauge!(SUSPICIOUS_CLOCKS, "farm" => farm_id.to_string(), "turbine" => turbine_id.to_string())
        .set(f64::from(u8::from(is_suspicious)));
}

pub(super) fn open_windows(thread: u16, windows: usize) {
    gauge!(OPEN_WINDOWS, "thread" => thread.to_string()).set(windows as f64);
}

pub(super) fn lag(partition: i32, lag_records: i64) {
    gauge!(LAG, "partition" => partition.to_string()).set(lag_records as f64);
}
