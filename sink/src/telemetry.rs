//! What the sink counts and measures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::batch::{Progress, Sealed};
use crate::lane::{Lane, Topic};
use crate::store::{Committed, Revised};

const ROWS: &str = "windfarm_sink_rows_total";
const BATCHES: &str = "windfarm_sink_batches_total";
const BATCH_SECONDS: &str = "windfarm_sink_batch_seconds";
const PHASE_SECONDS: &str = "windfarm_sink_phase_seconds";
const DUPLICATES: &str = "windfarm_sink_duplicates_total";
const REFUSED: &str = "windfarm_sink_refused_total";
const FENCED: &str = "windfarm_sink_fenced_total";
const REVISIONS: &str = "windfarm_sink_revisions_total";
const ROLLED_UP: &str = "windfarm_sink_hours_put_together_total";
const RECONNECTS: &str = "windfarm_sink_reconnects_total";
const TAKEN_OVER: &str = "windfarm_sink_partitions_taken_over_total";
const GIVEN_UP: &str = "windfarm_sink_partitions_given_up_total";
const LAG_RECORDS: &str = "windfarm_sink_lag_records";
const LAG_SECONDS: &str = "windfarm_sink_lag_seconds";

/// Says what each of them is.
pub(crate) fn describe() {
    describe_counter!(ROWS, "Rows stored, by table");
    describe_counter!(BATCHES, "Batches stored, each in one transaction");
    describe_histogram!(
        BATCH_SECONDS,
        "Time of the transaction of a batch, with what it needed to be tried again"
    );
    describe_histogram!(
        PHASE_SECONDS,
        "Time of the parts of a batch: decode and encode (by estimate) and wait in the reading thread; claim, copy, \
         take (of rows that may be there already), rest and commit in PostgreSQL; revise of a round of revisions"
    );
    describe_counter!(DUPLICATES, "Records whose row was there already");
    describe_counter!(
        REFUSED,
        "Records that became nothing, by who refused them: a rule or the database"
    );
    describe_counter!(
        FENCED,
        "Batches dropped because somebody else had stored their records"
    );
    describe_counter!(REVISIONS, "Windows that late readings have changed");
    describe_counter!(ROLLED_UP, "Hours put together from their minutes");
    describe_counter!(
        RECONNECTS,
        "Connections to the database after the first one of each thread"
    );
    describe_counter!(TAKEN_OVER, "Partitions taken over from the group");
    describe_counter!(GIVEN_UP, "Partitions given up to the group");
    describe_gauge!(LAG_RECORDS, "Records of a partition that are not stored yet");
    describe_gauge!(
        LAG_SECONDS,
        "Age of the last record of a partition that is stored, 0 when there is none behind it"
    );
}

/// A batch is in the database.
pub(crate) fn stored(sealed: &Sealed, committed: &Committed, took: Duration) {
    let rows = &sealed.rows;
    counter!(BATCHES).increment(1);
    histogram!(BATCH_SECONDS).record(took.as_secs_f64());
    counter!(DUPLICATES).increment(
        committed
            .duplicates
            .values()
            .map(|count| count.unsigned_abs())
            .sum(),
    );
    counter!(REFUSED, "by" => "rule").increment(sealed.moves.iter().map(|moved| moved.refused).sum());
    let gone = rows.gone.len() as u64;
    counter!(REFUSED, "by" => "retention").increment(gone);
    counter!(REFUSED, "by" => "database").increment((committed.refused.len() as u64).saturating_sub(gone));
    for (table, topic, rows) in [
        (
            "readings",
            Topic::Readings,
            rows.readings.rows() + rows.suspects.rows() + gone,
        ),
        ("farm_windows", Topic::FarmWindows, rows.farm_windows.rows()),
        (
            "turbine_windows",
            Topic::TurbineWindows,
            rows.turbine_windows.rows(),
        ),
        ("dead_letters", Topic::DeadLetters, rows.dead_letters.rows()),
    ] {
        let others = duplicates_of(committed, topic) + refused_of(committed, topic);
        if let Some(stored @ 1..) = rows.checked_sub(others) {
            counter!(ROWS, "table" => table).increment(stored);
        }
    }
}

fn duplicates_of(committed: &Committed, topic: Topic) -> u64 {
    let of_topic = committed
        .duplicates
        .iter()
        .filter(|(lane, _)| lane.topic == topic);
    of_topic.map(|(_, count)| count.unsigned_abs()).sum()
}

fn refused_of(committed: &Committed, topic: Topic) -> u64 {
    committed
        .refused
        .iter()
        .filter(|(lane, _)| lane.topic == topic)
        .count() as u64
}

/// How long a part of storing a batch took.
pub(crate) fn phase(name: &'static str, took: Duration) {
    histogram!(PHASE_SECONDS, "phase" => name).record(took.as_secs_f64());
}

/// Somebody else has stored what was ours.
pub(crate) fn fenced() {
    counter!(FENCED).increment(1);
}

/// A connection was made anew.
pub(crate) fn reconnected() {
    counter!(RECONNECTS).increment(1);
}

/// Windows were looked at.
pub(crate) fn revised(revised: Revised, took: Duration) {
    if revised.gone > 0 {
        tracing::warn!(
            windows = revised.gone,
            "late readings of windows whose day is gone change nothing"
        );
    }
    if revised.minutes > 0 {
        tracing::debug!(
            minutes = revised.minutes,
            changed = revised.changed,
            "windows revised"
        );
        counter!(REVISIONS).increment(revised.changed);
        phase("revise", took);
    }
}

/// Hours were put together from their minutes.
pub(crate) fn rolled_up(hours: usize) {
    counter!(ROLLED_UP).increment(hours as u64);
}

/// Lanes have come.
pub(crate) fn taken_over(lanes: usize) {
    counter!(TAKEN_OVER).increment(lanes as u64);
}

/// A lane is somebody else's to report on.
pub(crate) fn given_up(lane: Lane, topic: &str) {
    counter!(GIVEN_UP).increment(1);
    let labels = labels(lane, topic);
    gauge!(LAG_RECORDS, &labels).set(0.0);
    gauge!(LAG_SECONDS, &labels).set(0.0);
}

/// How far a lane is behind the end of its log.
pub(crate) fn lag(lane: Lane, topic: &str, progress: Progress, end: i64) {
    let labels = labels(lane, topic);
    let records = (end - progress.stored).max(0);
    gauge!(LAG_RECORDS, &labels).set(records as f64);
    let seconds = match progress.stored_at.or(progress.read_at) {
        Some(stored_at) if records > 0 => age_seconds(stored_at),
        Some(_) | None => 0.0,
    };
    gauge!(LAG_SECONDS, &labels).set(seconds);
}

fn labels(lane: Lane, topic: &str) -> [(&'static str, String); 2] {
    [
        ("topic", topic.to_owned()),
        ("partition", lane.partition.to_string()),
    ]
}

fn age_seconds(time: Timestamp) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs_f64() - time.as_micros() as f64 / 1e6).max(0.0)
}

/// A month of windows put together is gone.
pub(crate) fn dropped_month(table: &'static str) {
    counter!("windfarm_sink_dropped_months_total", "table" => table).increment(1);
}

/// A day is gone, and its rows with it.
pub(crate) fn removed(table: &str, rows: u64) {
    let labels = [("table", table.to_owned())];
    counter!("windfarm_sink_dropped_days_total", &labels).increment(1);
    counter!("windfarm_sink_dropped_rows_total", &labels).increment(rows);
}
