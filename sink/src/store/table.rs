//! Rows on their way into one table: copied straight, taken by way of a table of the session, or found out one by one.

use std::ops::Range;

use platform::fail_point;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::StoreError;
use super::error::{Complaint, failed_for};
use super::refusals::Refusal;
use super::sql::Target;
use crate::copy::CopyBuffer;

/// Rows are sent in pieces of this size, bytes: what a socket takes at once.
const PIECE: usize = 64 * 1024;

/// Rows that were there already, by partition of their records.
pub(super) type Duplicates = Vec<(i32, i64)>;

/// Copies the rows of these buffers straight into the table; of no rows nothing is sent.
pub(super) async fn copy(
    connection: &mut PgConnection,
    target: Target,
    buffers: &[&CopyBuffer],
) -> Result<(), StoreError> {
    if buffers.iter().all(|buffer| buffer.is_empty()) {
        return Ok(());
    }
    send(
        connection,
        target,
        &target.table().copy,
        &CopyBuffer::pieces(buffers),
    )
    .await
}

/// Copies rows into the session's own table; of no rows nothing is sent.
pub(super) async fn copy_incoming(
    connection: &mut PgConnection,
    target: Target,
    buffer: &CopyBuffer,
    rows: Range<usize>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    send(
        connection,
        target,
        &target.table().copy_incoming,
        &buffer.pieces_of(rows),
    )
    .await
}

/// Takes those rows into the table whose key is new, by way of the session's own table, and tells how many the others
/// are.
pub(super) async fn take(
    connection: &mut PgConnection,
    target: Target,
    buffer: &CopyBuffer,
    rows: Range<usize>,
) -> Result<Duplicates, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    copy_incoming(connection, target, buffer, rows).await?;
    let duplicates = sqlx::query(AssertSqlSafe(target.table().take.as_str()))
        .fetch_all(connection)
        .await
        .map_err(failed_for(target))?;
    Ok(duplicates
        .iter()
        .map(|row| (row.get("kafka_partition"), row.get("count")))
        .collect())
}

/// Empties the session's own table before its transaction ends.
pub(super) async fn empty_incoming(connection: &mut PgConnection, target: Target) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(target.table().empty_incoming.as_str()))
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed_for(target))
}

/// Takes the rows that the database does not refuse, and tells those that it does: a part that fails is halved until
/// the rows at fault stand alone.
pub(super) async fn isolate(
    connection: &mut PgConnection,
    target: Target,
    buffer: &CopyBuffer,
) -> Result<(Duplicates, Vec<Refusal>), StoreError> {
    let (mut duplicates, mut refusals) = (Vec::new(), Vec::new());
    // the first part on top: of rows with one key, the first in the log wins
    let mut parts = vec![buffer.all()];
    while let Some(part) = parts.pop() {
        let mut savepoint = connection.begin().await.map_err(failed_for(target))?;
        match take(&mut savepoint, target, buffer, part.clone()).await {
            Ok(more) => {
                empty_incoming(&mut savepoint, target).await?;
                savepoint.commit().await.map_err(failed_for(target))?;
                duplicates.extend(more);
            }
            Err(error) => {
                let is_about_a_row = matches!(
                    error.complaint(),
                    Some((_, Complaint::Refused | Complaint::MissingPartition))
                );
                if !is_about_a_row {
                    return Err(error);
                }
                savepoint.rollback().await.map_err(failed_for(target))?;
                if part.len() == 1 {
                    refusals.push(Refusal::new(target, buffer, part.start, &error));
                } else {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
        }
    }
    Ok((duplicates, refusals))
}

async fn send(
    connection: &mut PgConnection,
    target: Target,
    statement: &str,
    pieces: &[&[u8]],
) -> Result<(), StoreError> {
    fail_point::reach("before-copy");
    let mut copy = connection
        .copy_in_raw(statement)
        .await
        .map_err(failed_for(target))?;
    for piece in pieces.iter().flat_map(|bytes| bytes.chunks(PIECE)) {
        copy.send(piece).await.map_err(failed_for(target))?;
        fail_point::reach("amid-copy");
    }
    copy.finish().await.map_err(failed_for(target))?;
    fail_point::reach("after-copy");
    Ok(())
}
