//! Windows in PostgreSQL against the naive group-by of the stored readings, in SQL that shares nothing with the
//! programs.
//!
//! While data flows, a window and its readings are not always stored at the same instant. So what differs is looked at
//! again until it agrees or the deadline passes: only what differs every time is a difference. What was not there at
//! first is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sqlx::PgConnection;

use crate::database::{self, Scope, WindowDifference, WindowRule, WindowTable};
use crate::report::Check;

/// Between two looks at what differs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What identifies a difference: farm and turbine, window, and the metric if it is one's.
type Id = (String, time::OffsetDateTime, Option<String>);

/// Compares a table with the readings.
pub(crate) async fn check(
    connection: &mut PgConnection,
    table: WindowTable,
    rule: WindowRule,
    deadline: Instant,
) -> anyhow::Result<Check> {
    let windows = database::count(connection, table).await?;
    let mut found = differences(connection, table, rule, &Scope::default()).await?;
    while !found.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_AGAIN).await;
        let again = differences(connection, table, rule, &scope_of(&found)).await?;
        found = again
            .into_iter()
            .filter(|(id, _)| found.contains_key(id))
            .collect();
    }
    let claim = match table {
        WindowTable::Farm => "windows of farms are the group-by of the stored readings",
        WindowTable::Turbine => "windows of turbines are the group-by of the stored readings",
    };
    let tell = |difference: WindowDifference| {
        format!(
            "{} {}: {}",
            difference.key, difference.window_start, difference.text
        )
    };
    Ok(Check {
        claim,
        examined: format!("{windows} windows"),
        differences: found.into_values().map(tell).collect(),
    })
}

/// Marks that should have led to a revision: whatever is there every time.
pub(crate) async fn check_marks(
    connection: &mut PgConnection,
    readings: &str,
    deadline: Instant,
) -> anyhow::Result<Check> {
    let mut found: BTreeSet<_> = database::ready_marks(connection, readings)
        .await?
        .into_iter()
        .collect();
    let examined = format!("{} marks", found.len());
    while !found.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_AGAIN).await;
        let again: BTreeSet<_> = database::ready_marks(connection, readings)
            .await?
            .into_iter()
            .collect();
        found.retain(|mark| again.contains(mark));
    }
    Ok(Check {
        claim: "windows of late readings are made anew",
        examined,
        differences: found.into_iter().collect(),
    })
}

async fn differences(
    connection: &mut PgConnection,
    table: WindowTable,
    rule: WindowRule,
    scope: &Scope,
) -> anyhow::Result<BTreeMap<Id, WindowDifference>> {
    let mut all = BTreeMap::new();
    for comparison in &table.comparisons() {
        for difference in database::window_differences(connection, comparison, rule, scope).await? {
            let metric = difference.text.split(':').next();
            let metric = metric.filter(|_| !comparison.is_of_counts).map(str::to_owned);
            let id = (difference.key.clone(), difference.window_start, metric);
            all.insert(id, difference);
        }
    }
    Ok(all)
}

/// Only what differs need be compared again.
fn scope_of(found: &BTreeMap<Id, WindowDifference>) -> Scope {
    let farms: BTreeSet<_> = found
        .values()
        .map(|difference| difference.farm_id.clone())
        .collect();
    Scope {
        farms: Some(farms.into_iter().collect()),
        from: found.values().map(|difference| difference.window_start).min(),
    }
}
