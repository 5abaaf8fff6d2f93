//! Windows on Kafka against revision 0 in PostgreSQL, each exactly once.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Context;
use avro::{DecodeError, Decoder, Registry};
use domain::Timestamp;
use futures_util::TryStreamExt;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use crate::database::{self, Lanes, WindowTable};
use crate::figures::Figures;
use crate::log::{Extent, Log};
use crate::report::Check;

/// The windows of a topic, by partition and offset: their starts and figures.
type Records = HashMap<(i32, i64), (Timestamp, Figures)>;

/// Compares a topic of windows, up to where the sink is in `lanes`, with its table in the same snapshot.
pub(crate) async fn check(
    connection: &mut PgConnection,
    log: &Log,
    registry: &Registry,
    topic: &str,
    table: WindowTable,
    lanes: &Lanes,
) -> anyhow::Result<Check> {
    let extents = extents_below(log, topic, lanes)?;
    let mut differences = Vec::new();
    let mut records =
        tokio::task::block_in_place(|| read(log, registry, topic, table, &extents, &mut differences))?;
    let examined = format!("{} records", records.len());

    let mut rows = sqlx::query(table.rows()).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await.context("reading windows")? {
        differences.extend(compare(&row, table, &mut records, &extents));
    }
    drop(rows);
    let kept_from = database::kept_from(connection, table).await?;
    // of a day that was dropped there is no row
    let kept_from = kept_from.unix_timestamp_nanos() / 1_000;
    records.retain(|_, (start, _)| i128::from(start.as_micros()) >= kept_from);
    let unstored = records.into_keys().map(|(partition, offset)| {
        format!("{topic}[{partition}] at {offset}: no row says that it is from this record")
    });
    differences.extend(unstored);
    let claim = match table {
        WindowTable::Farm => "windows of farms on Kafka are revision 0 in PostgreSQL, each once",
        WindowTable::Turbine => "windows of turbines on Kafka are revision 0 in PostgreSQL, each once",
    };
    Ok(Check {
        claim,
        examined,
        differences,
    })
}

fn extents_below(log: &Log, topic: &str, lanes: &Lanes) -> anyhow::Result<BTreeMap<i32, Extent>> {
    let mut extents = log.extents(topic)?;
    for (partition, extent) in &mut extents {
        let lane = lanes.get(&(topic.to_owned(), *partition));
        extent.first = lane.map_or(extent.first, |lane| extent.first.max(lane.first_offset));
        extent.end = lane.map_or(extent.first, |lane| lane.next_offset);
    }
    Ok(extents)
}

fn read(
    log: &Log,
    registry: &Registry,
    topic: &str,
    table: WindowTable,
    extents: &BTreeMap<i32, Extent>,
    differences: &mut Vec<String>,
) -> anyhow::Result<Records> {
    let mut decoder = Decoder::new(registry.clone());
    let mut records = Records::new();
    let mut keys = HashSet::new();
    log.read(topic, extents, |message| {
        let place = (message.partition(), message.offset());
        match resolved(registry, || decode(&mut decoder, table, message))? {
            Ok((key, figures)) => {
                if !keys.insert(key.clone()) {
                    differences.push(format!("{} {} is more than once on Kafka", key.0, key.1));
                }
                records.insert(place, (key.1, figures));
            }
            Err(error) => differences.push(format!("{topic}[{}] at {}: {error}", place.0, place.1)),
        }
        Ok(())
    })?;
    Ok(records)
}

/// Farm, and turbine if it is one's; start; figures.
type Decoded = ((String, Timestamp), Figures);

fn decode(
    decoder: &mut Decoder,
    table: WindowTable,
    message: &BorrowedMessage<'_>,
) -> Result<Decoded, DecodeError> {
    let payload = message.payload().unwrap_or_default();
    Ok(match table {
        WindowTable::Farm => {
            let closed = decoder.farm_window(payload)?;
            let key = (closed.window.farm_id.to_string(), closed.window.window_start);
            (key, Figures::of_record(&closed.window, None, closed.close_reason))
        }
        WindowTable::Turbine => {
            let closed = decoder.turbine_window(payload)?;
            let window = &closed.window.window;
            let turbine = closed.window.turbine_id.as_str();
            let key = (format!("{} {turbine}", window.farm_id), window.window_start);
            (
                key,
                Figures::of_record(window, Some(turbine), closed.close_reason),
            )
        }
    })
}

/// Looks a new schema up and tries again.
fn resolved<T>(
    registry: &Registry,
    mut decode: impl FnMut() -> Result<T, DecodeError>,
) -> anyhow::Result<Result<T, DecodeError>> {
    match decode() {
        Err(DecodeError::UnknownSchema(id)) => {
            Handle::current().block_on(registry.resolve(id))?;
            Ok(decode())
        }
        other => Ok(other),
    }
}

/// Takes the row's record away, and says how the two differ.
fn compare(
    row: &PgRow,
    table: WindowTable,
    records: &mut Records,
    extents: &BTreeMap<i32, Extent>,
) -> Option<String> {
    let turbine_id: Option<&str> = (table == WindowTable::Turbine).then(|| row.get("turbine_id"));
    let farm_id: &str = row.get("farm_id");
    let start: OffsetDateTime = row.get("window_start");
    let revision: i32 = row.get("revision");
    let told = |what: String| {
        Some(format!(
            "{farm_id} {} {start}: {what}",
            turbine_id.unwrap_or_default()
        ))
    };

    let place: Option<(i32, i64)> = row
        .get::<Option<i32>, _>("kafka_partition")
        .zip(row.get::<Option<i64>, _>("kafka_offset"));
    let Some(place) = place else {
        let is_late_only = revision > 0 && row.get::<Option<&str>, _>("close_reason_text").is_none();
        return if is_late_only {
            None
        } else {
            told(format!("revision {revision} is from no record"))
        };
    };
    let Some((_, record)) = records.remove(&place) else {
        // what the log no longer has cannot be compared
        let is_gone = extents.get(&place.0).is_some_and(|extent| place.1 < extent.first);
        return if is_gone {
            None
        } else {
            told(format!("no such record at {place:?}"))
        };
    };
    let differing = record.differing(&Figures::of_row(row, turbine_id));
    if revision > 0 || differing.is_empty() {
        return None;
    }
    told(format!(
        "record at {place:?} and row differ in {}",
        differing.join(", ")
    ))
}
