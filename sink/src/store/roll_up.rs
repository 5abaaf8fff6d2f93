//! Hours that have changed, put together from their minutes in one transaction with the marks' removal.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use domain::{FarmId, Timestamp, TurbineId};
use futures_util::TryStreamExt;
use platform::fail_point;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use stored::{Length, Of, StoredWindow, Table};
use time::OffsetDateTime;

use super::error::failed;
use super::{Session, StoreError};
use crate::copy::CopyBuffer;
use crate::roll_up::Gathering;
use crate::rows::roll_up as rows;
use crate::time::to_sql;

/// Minutes that are put together in one transaction, about.
const MINUTES_AT_ONCE: i64 = 50_000;

/// Hours that are put together in one transaction at most.
const MOST_HOURS: i64 = 24;

/// Rows are sent in pieces of this size, bytes: what a socket takes at once.
const PIECE: usize = 64 * 1024;

/// In the order of ids and hours, so that two who mark at once lock in the same order.
const MARK: &str = "
    INSERT INTO roll_up_marks (farm_id, hour) SELECT * FROM unnest($1::text[], $2::timestamptz[])
    ON CONFLICT (farm_id, hour) DO UPDATE SET marked_at = now()";

/// The farm that has waited longest, and how many turbines it has.
const DUE_FARM: &str = "
    SELECT farm_id, (SELECT count(*) FROM turbines t WHERE t.farm_id = m.farm_id) AS turbines
    FROM roll_up_marks m WHERE marked_at <= now() - make_interval(secs => $1) ORDER BY marked_at LIMIT 1";

const DUE_HOURS: &str = "
    SELECT hour FROM roll_up_marks WHERE farm_id = $1 AND marked_at <= now() - make_interval(secs => $2)
    ORDER BY hour LIMIT $3";

/// Whoever changes a minute of these hours from now on waits for us, and marks them again. Hours that somebody else
/// has locked are left to him.
const LOCK: &str = "
    SELECT hour FROM roll_up_marks
    WHERE farm_id = $1 AND hour = ANY ($2) AND marked_at <= now() - make_interval(secs => $3)
    FOR UPDATE SKIP LOCKED";

const UNMARK: &str = "DELETE FROM roll_up_marks WHERE farm_id = $1 AND hour = ANY ($2)";

const ENSURE_MONTHS: &str = "SELECT ensure_months($1, $2)";

/// The rows of the hours `$2` of farm `$1`; the first and the last of them, `$3` and `$4`, keep other days out of the
/// plan.
const OF_HOURS: &str = "farm_id = $1 AND date_trunc('hour', window_start, 'UTC') = ANY ($2)
    AND window_start >= $3 AND window_start < $4 + interval '1 hour'";

/// Months whose partitions are known to be there.
pub(super) type Months = HashSet<(i32, time::Month)>;

/// Marks hours of farms: whoever stores or changes a minute must, in the same transaction.
pub(super) async fn mark<'f>(
    connection: &mut PgConnection,
    hours: impl Iterator<Item = &'f (FarmId, Timestamp)>,
) -> Result<(), StoreError> {
    let (farms, hours): (Vec<_>, Vec<_>) = hours.map(|(farm, hour)| (farm.as_str(), to_sql(*hour))).unzip();
    if farms.is_empty() {
        return Ok(());
    }
    sqlx::query(MARK)
        .bind(farms)
        .bind(hours)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("marking hours to be put together"))
}

/// Puts hours of one farm together that have not changed for a while; tells how many.
pub(super) async fn roll_up(
    session: &mut Session,
    months: &mut Months,
    settled_after: Duration,
) -> Result<usize, StoreError> {
    let settled_after = settled_after.as_secs_f64();
    let Some((farm, due)) = due(&mut session.connection, settled_after).await? else {
        return Ok(0);
    };
    ensure_months(&mut session.connection, months, &due).await?;

    let mut transaction = session.begin().await?;
    let hours = lock(&mut transaction, &farm, &due, settled_after).await?;
    if let (Some(first), Some(last)) = (hours.iter().min(), hours.iter().max()) {
        let hours = Hours {
            farm: &farm,
            hours: &hours,
            first: *first,
            last: *last,
        };
        put_together(&mut transaction, hours).await?;
        unmark(&mut transaction, hours).await?;
    }
    fail_point::reach("before-roll-up-commit");
    transaction
        .commit()
        .await
        .map_err(failed("committing hours that were put together"))?;
    Ok(hours.len())
}

/// Hours of one farm.
#[derive(Clone, Copy)]
struct Hours<'h> {
    farm: &'h FarmId,
    hours: &'h [OffsetDateTime],
    first: OffsetDateTime,
    last: OffsetDateTime,
}

/// What is to be stored of them.
struct PutTogether {
    buffers: [(Table, CopyBuffer); 4],
    /// Different turbines that reported in each longer window.
    turbines: BTreeMap<(Length, Timestamp), u64>,
}

async fn due(
    connection: &mut PgConnection,
    settled_after: f64,
) -> Result<Option<(FarmId, Vec<OffsetDateTime>)>, StoreError> {
    const WHAT: &str = "looking for hours to put together";
    let farm = sqlx::query(DUE_FARM)
        .bind(settled_after)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed(WHAT))?;
    let Some(farm) = farm else { return Ok(None) };
    let turbines: i64 = farm.get("turbines");
    let farm = FarmId::parse(farm.get("farm_id")).expect("only windows of valid farm ids are stored");
    let hours = sqlx::query_scalar(DUE_HOURS)
        .bind(farm.as_str())
        .bind(settled_after)
        .bind((MINUTES_AT_ONCE / (60 * turbines.max(1))).clamp(1, MOST_HOURS))
        .fetch_all(connection)
        .await
        .map_err(failed(WHAT))?;
    Ok(Some((farm, hours)))
}

/// Makes the partitions of months, on their own: who made them in a transaction with rows would make others wait.
async fn ensure_months(
    connection: &mut PgConnection,
    known: &mut Months,
    hours: &[OffsetDateTime],
) -> Result<(), StoreError> {
    let months: BTreeMap<_, _> = hours
        .iter()
        .map(|hour| ((hour.year(), hour.month()), hour.date()))
        .filter(|(month, _)| !known.contains(month))
        .collect();
    if months.is_empty() {
        return Ok(());
    }
    let days: Vec<_> = months.values().copied().collect();
    for table in Table::ROLLED_UP {
        sqlx::query(ENSURE_MONTHS)
            .bind(table.name())
            .bind(&days)
            .execute(&mut *connection)
            .await
            .map_err(failed("making partitions of months"))?;
    }
    known.extend(months.into_keys());
    Ok(())
}

async fn lock(
    connection: &mut PgConnection,
    farm: &FarmId,
    due: &[OffsetDateTime],
    settled_after: f64,
) -> Result<Vec<OffsetDateTime>, StoreError> {
    sqlx::query_scalar(LOCK)
        .bind(farm.as_str())
        .bind(due)
        .bind(settled_after)
        .fetch_all(connection)
        .await
        .map_err(failed("locking hours to put together"))
}

async fn unmark(connection: &mut PgConnection, hours: Hours<'_>) -> Result<(), StoreError> {
    sqlx::query(UNMARK)
        .bind(hours.farm.as_str())
        .bind(hours.hours)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("removing marks of hours"))
}

async fn put_together(connection: &mut PgConnection, hours: Hours<'_>) -> Result<(), StoreError> {
    let mut together = PutTogether {
        buffers: Table::ROLLED_UP.map(|table| (table, CopyBuffer::default())),
        turbines: BTreeMap::new(),
    };
    let of_turbines = turbines(connection, hours, &mut together).await?;
    let of_farm = farm(connection, hours, &mut together).await?;
    for (table, buffer) in &together.buffers {
        let found = match table.of {
            Of::Farm => &of_farm,
            Of::Turbine => &of_turbines,
        };
        replace(connection, hours.farm, found, *table, buffer).await?;
    }
    Ok(())
}

/// Turbine by turbine, as they come: the minutes of a large farm need not all be in memory. Tells which hours there
/// are minutes of.
async fn turbines(
    connection: &mut PgConnection,
    hours: Hours<'_>,
    together: &mut PutTogether,
) -> Result<BTreeSet<Timestamp>, StoreError> {
    let mut found = BTreeSet::new();
    let mut current: Option<(TurbineId, Gathering)> = None;
    let minutes = minutes(Of::Turbine);
    let mut rows = hours.select(&minutes).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(failed("reading minutes"))? {
        let id: &str = row.get(0);
        let (turbine, gathering) = match &mut current {
            Some((turbine, gathering)) if turbine.as_str() == id => (turbine, gathering),
            other => {
                if let Some((turbine, gathered)) = other.take() {
                    together.put_turbine(hours.farm, &turbine, gathered);
                }
                let turbine = TurbineId::parse(id).expect("only windows of valid turbine ids are stored");
                let (turbine, gathering) = other.insert((turbine, Gathering::default()));
                (turbine, gathering)
            }
        };
        let minute = read(&row, Some(turbine))?;
        found.insert(Length::Hour.start_of(minute.start));
        gathering.add(&minute);
    }
    if let Some((turbine, gathered)) = current {
        together.put_turbine(hours.farm, &turbine, gathered);
    }
    Ok(found)
}

/// Tells which hours there are minutes of.
async fn farm(
    connection: &mut PgConnection,
    hours: Hours<'_>,
    together: &mut PutTogether,
) -> Result<BTreeSet<Timestamp>, StoreError> {
    let mut found = BTreeSet::new();
    let mut gathering = Gathering::default();
    let minutes = minutes(Of::Farm);
    let mut rows = hours.select(&minutes).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(failed("reading minutes"))? {
        let minute = read(&row, None)?;
        found.insert(Length::Hour.start_of(minute.start));
        gathering.add(&minute);
    }
    together.put_farm(hours.farm, gathering);
    Ok(found)
}

/// The minutes of [`OF_HOURS`], as [`read`] takes them; of turbines one after the other.
fn minutes(of: Of) -> String {
    let table = Table::new(of, Length::Minute);
    let (id, order) = match of {
        Of::Farm => ("NULL::text", ""),
        Of::Turbine => ("turbine_id", " ORDER BY turbine_id"),
    };
    let (selection, name) = (table.selection(), table.name());
    format!("SELECT {id}, {selection} FROM {name} WHERE {OF_HOURS}{order}")
}

fn read(row: &PgRow, turbine: Option<&TurbineId>) -> Result<StoredWindow, StoreError> {
    stored::read(row, 1, turbine).map_err(failed("reading minutes"))
}

/// Of hours whose minutes are past their retention the rows stay as they are.
async fn replace(
    connection: &mut PgConnection,
    farm: &FarmId,
    found: &BTreeSet<Timestamp>,
    table: Table,
    rows: &CopyBuffer,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return Ok(());
    };
    let hours: Vec<_> = found.iter().copied().map(to_sql).collect();
    let hours = Hours {
        farm,
        hours: &hours,
        first: to_sql(*first),
        last: to_sql(*last),
    };
    let name = table.name();
    hours
        .select(&format!("DELETE FROM {name} WHERE {OF_HOURS}"))
        .execute(&mut *connection)
        .await
        .map_err(failed("removing what was put together before"))?;
    let columns = rows::columns(table.of).join(", ");
    let into = format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)");
    let mut copy = connection
        .copy_in_raw(&into)
        .await
        .map_err(failed("storing what was put together"))?;
    for piece in CopyBuffer::pieces(&[rows])
        .iter()
        .flat_map(|bytes| bytes.chunks(PIECE))
    {
        copy.send(piece)
            .await
            .map_err(failed("storing what was put together"))?;
    }
    copy.finish()
        .await
        .map(drop)
        .map_err(failed("storing what was put together"))
}

impl<'h> Hours<'h> {
    /// A statement with [`OF_HOURS`].
    fn select(self, statement: &str) -> sqlx::query::Query<'h, sqlx::Postgres, sqlx::postgres::PgArguments> {
        sqlx::query(AssertSqlSafe(statement))
            .bind(self.farm.as_str())
            .bind(self.hours)
            .bind(self.first)
            .bind(self.last)
    }
}

impl PutTogether {
    fn put_turbine(&mut self, farm: &FarmId, turbine: &TurbineId, gathered: Gathering) {
        for (length, start, roll_up) in gathered.finish() {
            *self.turbines.entry((length, start)).or_default() += 1;
            let rows = self.buffer(Of::Turbine, length);
            rows::put(rows, farm, Some(turbine), start, 1, &roll_up);
        }
    }

    /// After all its turbines.
    fn put_farm(&mut self, farm: &FarmId, gathered: Gathering) {
        for (length, start, roll_up) in gathered.finish() {
            let turbines = self.turbines.get(&(length, start)).copied();
            let rows = self.buffer(Of::Farm, length);
            rows::put(rows, farm, None, start, turbines.unwrap_or_default(), &roll_up);
        }
    }

    fn buffer(&mut self, of: Of, length: Length) -> &mut CopyBuffer {
        let wanted = Table::new(of, length);
        let mut buffers = self.buffers.iter_mut();
        let found = buffers.find(|(table, _)| *table == wanted);
        &mut found.expect("minutes are put together to these lengths only").1
    }
}
