//! The days of the tables: partitions are made before they are needed, and those that were kept long enough are dropped
//! whole. It has a connection of its own, beside the threads that store, and holds none of them up for longer than an
//! instant.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::Timestamp;
use platform::KafkaArgs;
use sqlx::postgres::PgConnectOptions;
use stored::Table;
use tokio_util::sync::CancellationToken;

use crate::batch::{DailyTable, Day, day_of};
use crate::log_time::log_time;
use crate::retention::{Keep, KeptDays, Retention};
use crate::store::Days;
use crate::telemetry;
use crate::time::{date_of, now};

/// Days that are made ahead, today's included.
const DAYS_AHEAD: Day = 3;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// Before the next round, when one did not come to its end.
const AGAIN: Duration = Duration::from_secs(60);

const TABLES: [DailyTable; 4] = [
    DailyTable::Readings,
    DailyTable::FarmWindows,
    DailyTable::TurbineWindows,
    DailyTable::WindowRevisions,
];

/// What looks after the days.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// The database.
    pub database: PgConnectOptions,
    /// Where it is told how far the log is stored.
    pub kafka: KafkaArgs,
    /// How long days are kept.
    pub retention: Retention,
    /// How long months of windows put together are kept, if their minutes are not kept longer.
    pub roll_ups: Keep,
    /// Where it is told which days are gone.
    pub kept: Arc<KeptDays>,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Days that were taken out of their tables.
    pub dropped: u64,
    /// Rows that went, also of days that were taken out before.
    pub rows: u64,
}

impl Upkeep {
    /// Makes its rounds until `stop`. What goes wrong is told and tried again: nothing that is stored depends on it.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.round(now()).await {
                Ok(round) => {
                    tracing::debug!(dropped = round.dropped, rows = round.rows, "days looked after");
                    ROUND
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        retry_in_s = AGAIN.as_secs(),
                        "days could not be looked after"
                    );
                    AGAIN
                }
            };
            let _ = tokio::time::timeout(wait, stop.cancelled()).await;
        }
    }

    /// Makes the next days as of `now`, drops those that were kept long enough, and removes what was dropped.
    ///
    /// The clock comes first: what is appended after `now` is not counted as stored.
    ///
    /// # Errors
    /// When the database or Kafka is away, or somebody reads a table at length; what was done stays done.
    pub async fn round(&self, now: Timestamp) -> anyhow::Result<Round> {
        let mut days = Days::open(&self.database).await?;
        let today = day_of(now);
        let next: Vec<_> = (today..today + DAYS_AHEAD).collect();
        for table in TABLES {
            days.ensure(table, &next).await?;
        }
        let mut round = Round::default();
        if self.retention.drops() || self.roll_ups != Keep::Always {
            round.dropped = self.drop_days(&mut days, now).await?;
        }
        // somebody else may have dropped some, too
        self.kept.learn(days.kept().await?);
        while let Some(removed) = days.remove_dropped().await? {
            let day = date_of(removed.day);
            tracing::info!(table = removed.table, %day, rows = removed.rows, "day dropped");
            telemetry::removed(&removed.table, removed.rows);
            round.rows += removed.rows;
        }
        Ok(round)
    }

    async fn drop_days(&self, days: &mut Days, now: Timestamp) -> anyhow::Result<u64> {
        let next = days.offsets(&self.kafka.topics()).await?;
        let kafka = self.kafka.clone();
        let log_time = tokio::task::spawn_blocking(move || log_time(&kafka, &next))
            .await
            .context("asking how far the log is stored has panicked")?
            .context("how far the log is stored")?;
        let mut dropped = 0;
        for (table, first) in self.retention.first_days(now, log_time) {
            while let Some(day) = days.drop_before(table, first).await? {
                tracing::debug!(?table, day = %date_of(day), "day taken out");
                dropped += 1;
            }
        }
        if let Some(first) = self.roll_ups.first_kept_day(now, log_time) {
            drop_months(days, first).await?;
        }
        Ok(dropped)
    }
}

async fn drop_months(days: &mut Days, first: Day) -> anyhow::Result<()> {
    for table in Table::ROLLED_UP {
        while let Some(month) = days.drop_month_before(table, first).await? {
            tracing::info!(table = table.name(), from = %date_of(month), "month dropped");
            telemetry::dropped_month(table.name());
        }
    }
    Ok(())
}
