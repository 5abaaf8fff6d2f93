//! Reconciles Kafka with PostgreSQL, while data flows too: where the readings of each partition have gone, whether the
//! windows are the naive group-by of the stored readings, whether they are those on Kafka, and whether longer windows are
//! what they come to.
//!
//! What is compared is what the sink has stored in one snapshot of the database, so nothing need stand still; what is
//! still on its way is waited for.
#![warn(missing_docs)]

mod args;
mod balance;
mod database;
mod figures;
mod grouping;
mod log;
mod records;
mod report;
mod roll_ups;

use std::time::Instant;

use anyhow::Context;
use sqlx::{Connection, Executor, PgConnection};

pub use args::Args;
pub use report::{Check, PartitionBalance, Report};

use database::{WindowRule, WindowTable};
use log::Log;

/// Compares everything once. What is on its way is waited for, each kind at most `args.wait` long.
///
/// # Errors
/// When Kafka, the registry or the database cannot be read; a difference is none, it is in the report.
pub async fn verify(args: &Args) -> anyhow::Result<Report> {
    let deadline = || Instant::now() + args.wait; // each wait has its own, so that a long one makes no other too short
    let topics = args.kafka.topics();
    let rule = WindowRule {
        size: args.window_size,
        grace: args.grace,
    };
    let registry = args.registry.registry()?;
    let log = Log::new(&args.kafka)?;
    let mut connection = PgConnection::connect(&args.database_url)
        .await
        .context("connecting to the database")?;
    // the group-by of millions of readings fits, and need not be sorted
    connection.execute("SET work_mem = '256MB'").await?;

    let extents = tokio::task::block_in_place(|| log.extents(&topics.readings))?;
    let mut checks =
        vec![balance::wait_for_sink(&mut connection, &topics.readings, &extents, deadline()).await?];

    // a day that were dropped meanwhile would be missing in a table, and not yet among the dropped ones
    database::hold_days(&mut connection).await?;
    let (mut snapshot, counted) = balance::snapshot_of_counted_days(&mut connection, deadline()).await?;
    checks.push(counted);
    let names = [
        &topics.readings,
        &topics.farm_windows,
        &topics.turbine_windows,
        &topics.dead_letters,
    ];
    let lanes = database::lanes(&mut snapshot, names.map(String::as_str)).await?;
    checks.push(balance::counters(&topics, &lanes));
    for (topic, table) in [
        (&topics.farm_windows, WindowTable::Farm),
        (&topics.turbine_windows, WindowTable::Turbine),
    ] {
        checks.push(records::check(&mut snapshot, &log, &registry, topic, table, &lanes).await?);
    }
    snapshot.commit().await?;
    database::release_days(&mut connection).await?;

    let partitions = balance::balances(&mut connection, &log, &topics, &lanes, &extents, deadline()).await?;
    checks.push(grouping::check_marks(&mut connection, &topics.readings, deadline()).await?);
    for table in [WindowTable::Farm, WindowTable::Turbine] {
        checks.push(grouping::check(&mut connection, table, rule, deadline()).await?);
    }
    checks.push(roll_ups::check(&mut connection).await?);
    connection.close().await?;
    Ok(Report { partitions, checks })
}
