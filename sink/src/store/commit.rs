//! One batch, one transaction.

use std::collections::BTreeMap;
use std::time::Instant;

use platform::{Topics, fail_point};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::error::failed;
use super::sql::{self, Table};
use super::{Committed, Session, StoreError};
use crate::batch::{Rows, Sealed, TurbineSpan};
use crate::copy::CopyBuffer;
use crate::lane::{Lane, Topic};
use crate::rows::window::Of;
use crate::telemetry;
use crate::time::to_sql;

/// Rows are sent in pieces of this size, bytes: what a socket takes at once.
const PIECE: usize = 64 * 1024;

/// Straight into the tables; fails when any row is there already.
pub(super) async fn quick(session: &mut Session, topics: &Topics, batch: &Sealed) -> Result<(), StoreError> {
    let mut transaction = session.begin().await?;
    timed("claim", claim(&mut transaction, topics, batch)).await?;
    let rows = &batch.rows;
    for (table, buffers) in [
        (&*sql::READINGS, &[&rows.readings, &rows.suspects][..]),
        (&*sql::FARM_WINDOWS, &[&rows.farm_windows]),
        (&*sql::TURBINE_WINDOWS, &[&rows.turbine_windows]),
    ] {
        timed("copy", copy(&mut transaction, &table.copy, buffers)).await?;
    }
    timed("rest", the_rest(&mut transaction, batch)).await?;
    timed("commit", finish(transaction)).await
}

/// By way of the session's own tables; rows that are there already are counted.
pub(super) async fn careful(
    session: &mut Session,
    topics: &Topics,
    batch: &Sealed,
) -> Result<Committed, StoreError> {
    session.ensure_incoming().await?;
    let mut transaction = session.begin().await?;
    claim(&mut transaction, topics, batch).await?;
    let rows = &batch.rows;
    let mut duplicates = BTreeMap::new();
    let farm_windows = sql::take_windows(Of::Farm);
    let turbine_windows = sql::take_windows(Of::Turbine);
    for (topic, table, buffers, take) in [
        (
            Topic::Readings,
            &*sql::READINGS,
            &[&rows.readings, &rows.suspects][..],
            sql::TAKE_READINGS.as_str(),
        ),
        (
            Topic::FarmWindows,
            &*sql::FARM_WINDOWS,
            &[&rows.farm_windows],
            &farm_windows,
        ),
        (
            Topic::TurbineWindows,
            &*sql::TURBINE_WINDOWS,
            &[&rows.turbine_windows],
            &turbine_windows,
        ),
    ] {
        let taken = timed("take", take_incoming(&mut transaction, table, buffers, take)).await?;
        for (partition, count) in taken {
            duplicates.insert(Lane { topic, partition }, count);
        }
    }
    recount(&mut transaction, topics, &duplicates).await?;
    timed("rest", the_rest(&mut transaction, batch)).await?;
    timed("commit", finish(transaction)).await?;
    Ok(Committed { duplicates })
}

/// Copies rows of one table as they are, buffer by buffer; of no rows nothing is sent.
pub(super) async fn copy(
    connection: &mut PgConnection,
    statement: &str,
    buffers: &[&CopyBuffer],
) -> Result<(), StoreError> {
    let pieces = CopyBuffer::pieces(buffers);
    if buffers.iter().all(|buffer| buffer.is_empty()) {
        return Ok(());
    }
    fail_point::reach("before-copy");
    let mut copy = connection
        .copy_in_raw(statement)
        .await
        .map_err(failed("beginning to copy"))?;
    for piece in pieces.into_iter().flat_map(|bytes| bytes.chunks(PIECE)) {
        copy.send(piece).await.map_err(failed("copying rows"))?;
    }
    copy.finish().await.map_err(failed("copying rows"))?;
    fail_point::reach("after-copy");
    Ok(())
}

/// Moves the lanes, if they are where the batch begins. First of all, so that who has lost a lane does nothing else.
async fn claim(connection: &mut PgConnection, topics: &Topics, batch: &Sealed) -> Result<(), StoreError> {
    fail_point::reach("before-claim");
    let moves = &batch.moves;
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let names: Vec<_> = moves.iter().map(|moved| moved.lane.topic.name(topics)).collect();
    let partitions: Vec<_> = moves.iter().map(|moved| moved.lane.partition).collect();
    let expected: Vec<_> = moves.iter().map(|moved| moved.expected).collect();
    let next: Vec<_> = moves.iter().map(|moved| moved.next).collect();
    let taken: Vec<_> = moves.iter().map(|moved| signed(moved.taken)).collect();
    let refused: Vec<_> = moves.iter().map(|moved| signed(moved.refused)).collect();
    let moved = sqlx::query(sql::CLAIM)
        .bind(names)
        .bind(partitions)
        .bind(expected)
        .bind(next)
        .bind(taken)
        .bind(refused)
        .execute(connection)
        .await
        .map_err(failed("moving the next offsets"))?
        .rows_affected();
    let wanted = moves.len() as u64;
    if moved != wanted {
        return Err(StoreError::Fenced { moved, wanted });
    }
    fail_point::reach("after-claim");
    Ok(())
}

async fn take_incoming(
    connection: &mut PgConnection,
    table: &Table,
    buffers: &[&CopyBuffer],
    take: &str,
) -> Result<Vec<(i32, i64)>, StoreError> {
    if buffers.iter().all(|buffer| buffer.is_empty()) {
        return Ok(Vec::new());
    }
    copy(connection, &table.copy_incoming, buffers).await?;
    let rows = sqlx::query(AssertSqlSafe(take))
        .fetch_all(connection)
        .await
        .map_err(failed("taking incoming rows"))?;
    Ok(rows
        .iter()
        .map(|row| (row.get("kafka_partition"), row.get("count")))
        .collect())
}

async fn recount(
    connection: &mut PgConnection,
    topics: &Topics,
    duplicates: &BTreeMap<Lane, i64>,
) -> Result<(), StoreError> {
    for (lane, count) in duplicates {
        sqlx::query(sql::RECOUNT)
            .bind(lane.topic.name(topics))
            .bind(lane.partition)
            .bind(count)
            .execute(&mut *connection)
            .await
            .map_err(failed("counting duplicates"))?;
    }
    Ok(())
}

async fn the_rest(connection: &mut PgConnection, batch: &Sealed) -> Result<(), StoreError> {
    copy(connection, &sql::DEAD_LETTERS.copy, &[&batch.rows.dead_letters]).await?;
    widen(connection, &batch.turbines).await?;
    mark(connection, &batch.rows).await
}

/// What is known of farms and turbines.
async fn widen(connection: &mut PgConnection, turbines: &[TurbineSpan]) -> Result<(), StoreError> {
    if turbines.is_empty() {
        return Ok(());
    }
    let farms: Vec<_> = turbines.iter().map(|turbine| turbine.farm_id.as_str()).collect();
    let ids: Vec<_> = turbines
        .iter()
        .map(|turbine| turbine.turbine_id.as_str())
        .collect();
    let first: Vec<_> = turbines
        .iter()
        .map(|turbine| to_sql(turbine.span.first))
        .collect();
    let last: Vec<_> = turbines.iter().map(|turbine| to_sql(turbine.span.last)).collect();
    let farms_query = sqlx::query(sql::FARMS).bind(&farms).bind(&first).bind(&last);
    farms_query
        .execute(&mut *connection)
        .await
        .map_err(failed("entering farms"))?;
    let turbines_query = sqlx::query(sql::TURBINES)
        .bind(&farms)
        .bind(&ids)
        .bind(&first)
        .bind(&last);
    turbines_query
        .execute(connection)
        .await
        .map_err(failed("entering turbines"))?;
    Ok(())
}

async fn mark(connection: &mut PgConnection, rows: &Rows) -> Result<(), StoreError> {
    if rows.late.is_empty() {
        return Ok(());
    }
    let farms: Vec<_> = rows.late.keys().map(|mark| mark.farm_id.as_str()).collect();
    let starts: Vec<_> = rows.late.keys().map(|mark| to_sql(mark.window_start)).collect();
    let partitions: Vec<_> = rows.late.keys().map(|mark| mark.partition).collect();
    let offsets: Vec<_> = rows.late.values().copied().collect();
    sqlx::query(sql::MARK)
        .bind(farms)
        .bind(starts)
        .bind(partitions)
        .bind(offsets)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("marking windows of late readings"))
}

/// Measures a part of the work.
async fn timed<T>(phase: &'static str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result = work.await;
    telemetry::phase(phase, begun.elapsed());
    result
}

async fn finish(transaction: sqlx::Transaction<'_, sqlx::Postgres>) -> Result<(), StoreError> {
    fail_point::reach("before-commit");
    transaction.commit().await.map_err(failed("committing"))?;
    fail_point::reach("after-commit");
    Ok(())
}
