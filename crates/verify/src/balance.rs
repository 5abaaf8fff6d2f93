//! Where the readings have gone, partition by partition: appended = stored + duplicates + dead letters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use platform::Topics;
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::database::{self, LaneState, Lanes};
use crate::log::{Extent, Log};
use crate::report::{Check, PartitionBalance};

/// Between two looks at what is on its way.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Waits until the sink has passed what the topic held at first; what it has not passed by then is a difference.
pub(crate) async fn wait_for_sink(
    connection: &mut PgConnection,
    topic: &str,
    extents: &BTreeMap<i32, Extent>,
    deadline: Instant,
) -> anyhow::Result<Check> {
    loop {
        let next = database::next_offsets(connection, topic).await?;
        let behind = |(&partition, extent): (&i32, &Extent)| {
            let at = next.get(&partition).copied();
            // of a log whose records are all gone there is nothing to read
            let is_behind = at.unwrap_or(extent.first) < extent.end;
            is_behind.then(|| {
                format!(
                    "partition {partition} is at {at:?}, the log ends at {}",
                    extent.end
                )
            })
        };
        let differences: Vec<_> = extents.iter().filter_map(behind).collect();
        if differences.is_empty() || Instant::now() >= deadline {
            return Ok(Check {
                claim: "the sink has read what the log held",
                examined: format!("{} partitions", extents.len()),
                differences,
            });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A snapshot in which every dropped day has been counted, if that is not too long in coming, and whether it is so.
pub(crate) async fn snapshot_of_counted_days<'c>(
    connection: &'c mut PgConnection,
    deadline: Instant,
) -> anyhow::Result<(Transaction<'c, Postgres>, Check)> {
    loop {
        let uncounted = database::uncounted_days(connection).await?;
        if uncounted.is_empty() || Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let mut snapshot = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let differences = database::uncounted_days(&mut snapshot).await?;
    let check = Check {
        claim: "the rows of dropped days are counted",
        examined: "all of them".to_owned(),
        differences,
    };
    Ok((snapshot, check))
}

/// The balance of each partition of the readings at the place where the sink was in `lanes`. Dead letters come by
/// another topic, so they are waited for.
pub(crate) async fn balances(
    connection: &mut PgConnection,
    log: &Log,
    topics: &Topics,
    lanes: &Lanes,
    extents: &BTreeMap<i32, Extent>,
    deadline: Instant,
) -> anyhow::Result<Vec<PartitionBalance>> {
    let readings: BTreeMap<i32, LaneState> = lanes
        .iter()
        .filter(|((topic, _), _)| *topic == topics.readings)
        .map(|(&(_, partition), &state)| (partition, state))
        .collect();
    let letters = loop {
        let letters = database::dead_letters(connection, &topics.readings, &readings).await?;
        let have_come = |(partition, state): (&i32, &LaneState)| letters[partition].records >= state.refused;
        if readings.iter().all(have_come) || Instant::now() >= deadline {
            break letters;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    let balance = |(&partition, state): (&i32, &LaneState)| {
        let end = extents
            .get(&partition)
            .map_or(state.next_offset, |extent| extent.end);
        let mut balance = PartitionBalance {
            partition,
            appended: state.next_offset - state.first_offset,
            stored: state.rows,
            duplicates: state.counted_duplicates,
            dead_letters: letters[&partition].rows,
            lag: (end - state.next_offset).max(0),
        };
        if !balance.is_balanced() {
            // offsets that nobody gets to see (marks of transactions, aborted records) are no records
            balance.appended = count(log, &topics.readings, partition, state, extents)?;
        }
        Ok(balance)
    };
    readings.iter().map(balance).collect()
}

/// Whether the sink's own counters say what its tables hold.
pub(crate) fn counters(topics: &Topics, lanes: &Lanes) -> Check {
    let differs = |((topic, partition), state): (&(String, i32), &LaneState)| {
        let LaneState {
            stored,
            duplicates,
            rows,
            counted_duplicates,
            ..
        } = state;
        let same_duplicates = *topic != topics.readings || duplicates == counted_duplicates;
        (stored != rows || !same_duplicates).then(|| {
            format!(
                "{topic}[{partition}]: {stored} stored and {duplicates} duplicates counted, \
                 {rows} rows and {counted_duplicates} duplicates in the tables"
            )
        })
    };
    Check {
        claim: "the counters in kafka_offsets agree with the tables",
        examined: format!("{} partitions", lanes.len()),
        differences: lanes.iter().filter_map(differs).collect(),
    }
}

/// Records of a partition that can be seen, below the sink's place. Those that the log no longer has are taken as seen.
fn count(
    log: &Log,
    topic: &str,
    partition: i32,
    state: &LaneState,
    extents: &BTreeMap<i32, Extent>,
) -> anyhow::Result<i64> {
    let first = extents
        .get(&partition)
        .map_or(0, |extent| extent.first)
        .max(state.first_offset);
    let extent = Extent {
        first,
        end: state.next_offset,
    };
    let mut records = first - state.first_offset;
    log.read(topic, &[(partition, extent)].into(), |_| {
        records += 1;
        Ok(())
    })
    .with_context(|| format!("counting the records of {topic}[{partition}]"))?;
    Ok(records)
}
