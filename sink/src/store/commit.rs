//! One batch, one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use domain::{FarmId, TurbineId};
use platform::{Topics, fail_point};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::failed;
use super::refusals::{self, Refusal};
use super::roll_up;
use super::route::{Found, Way};
use super::sql::{self, Target};
use super::{Session, StoreError, table};
use crate::batch::{Rows, Sealed, Span, TurbineSpan};
use crate::copy::CopyBuffer;
use crate::lane::Lane;
use crate::rows::reading;
use crate::telemetry;
use crate::time::to_sql;

/// By which way the rows of each table go in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan([Way; Target::ALL.len()]);

/// What a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Records whose row was there already, by lane.
    pub duplicates: BTreeMap<Lane, i64>,
    /// Records whose row the database has refused; their dead letters are still to be sent.
    pub refused: BTreeSet<(Lane, i64)>,
}

/// What a transaction has found out so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) committed: Committed,
    pub(super) found: Found,
    refusals: Vec<Refusal>,
}

impl Plan {
    /// All rows straight into their tables, but for the readings.
    pub(super) const fn new(readings: Way) -> Self {
        let mut ways = [Way::Direct; Target::ALL.len()];
        ways[Target::Readings as usize] = readings;
        Self(ways)
    }

    pub(super) const fn of(self, target: Target) -> Way {
        self.0[target as usize]
    }

    pub(super) const fn set(&mut self, target: Target, way: Way) {
        self.0[target as usize] = way;
    }

    pub(super) fn isolates(self) -> bool {
        self.0.contains(&Way::Isolated)
    }

    fn needs_incoming(self) -> bool {
        self.0.iter().any(|&way| way > Way::Direct)
    }
}

/// Stores the batch and moves its lanes, all or nothing.
pub(super) async fn attempt(
    session: &mut Session,
    topics: &Topics,
    batch: &Sealed,
    plan: Plan,
) -> Result<Tally, StoreError> {
    if plan.needs_incoming() {
        session.ensure_incoming().await?;
    }
    let mut tally = Tally::default();
    let mut transaction = session.begin().await?;
    timed("claim", claim(&mut transaction, topics, batch)).await?;
    for target in Target::ALL {
        store(&mut transaction, target, &batch.rows, plan.of(target), &mut tally).await?;
    }
    tally.refuse_gone(&batch.rows);
    timed("rest", the_rest(&mut transaction, topics, batch, &tally)).await?;
    timed("commit", finish(transaction)).await?;
    Ok(tally)
}

/// Stores the rows of one table.
async fn store(
    connection: &mut PgConnection,
    target: Target,
    rows: &Rows,
    way: Way,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    let (new, suspects) = buffers(rows, target);
    match way {
        Way::Direct => {
            let buffers: Vec<_> = std::iter::once(new).chain(suspects).collect();
            timed("copy", table::copy(connection, target, &buffers)).await
        }
        Way::Split => {
            timed("copy", table::copy(connection, target, &[new])).await?;
            timed("take", take(connection, target, None, suspects, tally)).await
        }
        Way::Careful => timed("take", take(connection, target, Some(new), suspects, tally)).await,
        Way::Isolated => {
            for buffer in std::iter::once(new).chain(suspects) {
                let isolated = table::isolate(connection, target, buffer);
                let (duplicates, refusals) = timed("isolate", isolated).await?;
                tally.count(target, duplicates);
                tally.refuse(refusals);
            }
            Ok(())
        }
    }
}

/// Those that look new, and the suspects.
const fn buffers(rows: &Rows, target: Target) -> (&CopyBuffer, Option<&CopyBuffer>) {
    match target {
        Target::Readings => (&rows.readings, Some(&rows.suspects)),
        Target::FarmWindows => (&rows.farm_windows, None),
        Target::TurbineWindows => (&rows.turbine_windows, None),
        Target::DeadLetters => (&rows.dead_letters, None),
    }
}

/// By way of the session's own table: those that look new, if that is wanted, and then the suspects.
async fn take(
    connection: &mut PgConnection,
    target: Target,
    new: Option<&CopyBuffer>,
    suspects: Option<&CopyBuffer>,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    if let Some(new) = new {
        let duplicates = table::take(connection, target, new, new.all()).await?;
        tally.found.among_new += tally.count(target, duplicates);
    }
    if let Some(suspects) = suspects.filter(|suspects| !suspects.is_empty()) {
        if new.is_some_and(|new| !new.is_empty()) {
            table::empty_incoming(connection, target).await?;
        }
        let duplicates = table::take(connection, target, suspects, suspects.all()).await?;
        tally.found.among_suspects += tally.count(target, duplicates);
    }
    Ok(())
}

impl Tally {
    /// Counts rows that were there already, and tells how many they are.
    fn count(&mut self, target: Target, duplicates: table::Duplicates) -> u64 {
        let topic = target.topic();
        let mut sum = 0;
        for (partition, count) in duplicates {
            *self
                .committed
                .duplicates
                .entry(Lane { topic, partition })
                .or_default() += count;
            sum += count.unsigned_abs();
        }
        sum
    }

    /// Notes readings whose day is gone.
    fn refuse_gone(&mut self, rows: &Rows) {
        if let Some((place, rejection)) = rows.gone.first() {
            tracing::warn!(
                readings = rows.gone.len(),
                partition = place.partition,
                offset = place.offset,
                why = rejection.reason,
                "readings refused, because their day is gone"
            );
        }
        let refusals = rows.gone.iter().map(Refusal::gone);
        self.committed
            .refused
            .extend(refusals.clone().map(|refusal| (refusal.lane, refusal.offset)));
        self.refusals.extend(refusals);
    }

    /// Notes rows that the database has refused. A dead letter of our own about a refusal is given up: another one would
    /// be refused in its turn.
    fn refuse(&mut self, refusals: Vec<Refusal>) {
        for refusal in refusals {
            self.committed.refused.insert((refusal.lane, refusal.offset));
            if refusal.is_about_our_own {
                tracing::error!(
                    lane = %refusal.lane,
                    offset = refusal.offset,
                    why = refusal.rejection.reason,
                    "dead letter cannot be stored, left out"
                );
            } else {
                tracing::warn!(
                    lane = %refusal.lane,
                    offset = refusal.offset,
                    why = refusal.rejection.reason,
                    "row refused by the database"
                );
                self.refusals.push(refusal);
            }
        }
    }
}

/// Moves the lanes, if they are where the batch begins. First of all, so that who has lost a lane does nothing else.
async fn claim(connection: &mut PgConnection, topics: &Topics, batch: &Sealed) -> Result<(), StoreError> {
    fail_point::reach("before-claim");
    let moves = &batch.moves;
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

async fn the_rest(
    connection: &mut PgConnection,
    topics: &Topics,
    batch: &Sealed,
    tally: &Tally,
) -> Result<(), StoreError> {
    let committed = &tally.committed;
    recount(connection, topics, committed).await?;
    refusals::enter(connection, topics, &tally.refusals).await?;
    if committed.refused.is_empty() {
        widen(connection, &batch.turbines).await?;
    } else {
        widen(connection, &spans_but(&batch.rows, &committed.refused)).await?;
    }
    mark(connection, &batch.rows).await?;
    roll_up::mark(connection, batch.rows.hours.iter()).await
}

/// Of what the lanes were said to have stored, some was there already, and some was refused.
async fn recount(
    connection: &mut PgConnection,
    topics: &Topics,
    committed: &Committed,
) -> Result<(), StoreError> {
    let mut counts: BTreeMap<Lane, (i64, i64)> = BTreeMap::new();
    for (&lane, &count) in &committed.duplicates {
        counts.entry(lane).or_default().0 += count;
    }
    for &(lane, _) in &committed.refused {
        counts.entry(lane).or_default().1 += 1;
    }
    for (lane, (duplicates, refused)) in counts {
        sqlx::query(sql::RECOUNT)
            .bind(lane.topic.name(topics))
            .bind(lane.partition)
            .bind(duplicates)
            .bind(refused)
            .execute(&mut *connection)
            .await
            .map_err(failed("counting duplicates and refusals"))?;
    }
    Ok(())
}

/// The spans of the readings but for those that were refused.
fn spans_but(rows: &Rows, refused: &BTreeSet<(Lane, i64)>) -> Vec<TurbineSpan> {
    let is_refused = |buffer: &CopyBuffer, row: usize| {
        let (partition, offset) = refusals::place_of(Target::Readings, buffer, row);
        let lane = Lane {
            topic: Target::Readings.topic(),
            partition,
        };
        refused.contains(&(lane, offset))
    };
    let mut spans: BTreeMap<(FarmId, TurbineId), Span> = BTreeMap::new();
    for buffer in [&rows.readings, &rows.suspects] {
        for row in buffer.all().filter(|&row| !is_refused(buffer, row)) {
            let (farm_id, turbine_id, event_time) = reading::key_of(buffer, row);
            spans
                .entry((farm_id, turbine_id))
                .or_insert(Span::of(event_time))
                .include(Span::of(event_time));
        }
    }
    let spans = spans.into_iter();
    spans
        .map(|((farm_id, turbine_id), span)| TurbineSpan {
            farm_id,
            turbine_id,
            span,
        })
        .collect()
}

/// What is known of farms and turbines; these are in the order of ids.
async fn widen(connection: &mut PgConnection, turbines: &[TurbineSpan]) -> Result<(), StoreError> {
    if turbines.is_empty() {
        return Ok(());
    }
    let (mut farms, mut farm_spans) = (Vec::new(), Vec::new());
    for of_farm in turbines.chunk_by(|one, other| one.farm_id == other.farm_id) {
        farms.push(of_farm[0].farm_id.as_str());
        let spans = of_farm.iter().map(|turbine| turbine.span);
        farm_spans.extend(spans.reduce(|mut all, span| {
            all.include(span);
            all
        }));
    }
    let (first, last) = times(farm_spans);
    sqlx::query(sql::FARMS)
        .bind(farms)
        .bind(first)
        .bind(last)
        .execute(&mut *connection)
        .await
        .map_err(failed("entering farms"))?;

    let farms: Vec<_> = turbines.iter().map(|turbine| turbine.farm_id.as_str()).collect();
    let ids: Vec<_> = turbines
        .iter()
        .map(|turbine| turbine.turbine_id.as_str())
        .collect();
    let (first, last) = times(turbines.iter().map(|turbine| turbine.span));
    sqlx::query(sql::TURBINES)
        .bind(farms)
        .bind(ids)
        .bind(first)
        .bind(last)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("entering turbines"))
}

/// The first times, and the last ones.
fn times(spans: impl IntoIterator<Item = Span>) -> (Vec<OffsetDateTime>, Vec<OffsetDateTime>) {
    spans
        .into_iter()
        .map(|span| (to_sql(span.first), to_sql(span.last)))
        .unzip()
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

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
