//! How long a lone reading takes to be seen in PostgreSQL.

use std::time::{Duration, Instant};

use anyhow::Result;
use bench::{Appender, Series, Shape};
use testkit::Database;

use crate::running::Running;

/// Readings whose time is taken in one round.
const READINGS: u64 = 200;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// What a reading should take at most to be seen, milliseconds, at p99.
pub(crate) const BOUND_MS: f64 = 250.0;

/// From handing a reading over to Kafka's client until a query finds it, milliseconds: one reading after the other, each
/// some time after the one before was seen, as those of a few turbines come.
pub(crate) async fn measure(turbines: u64, database: &Database, sink_args: &str) -> Result<Series> {
    let shape = Shape {
        readings: READINGS,
        turbines,
        farms: None,
        span: Shape::WITHIN_A_DAY,
        duplicates: false,
    };
    let mut appender = Appender::to_new_topic(shape, 6).await?;
    let mut sink = Running::start(&appender.stack, database, 1, sink_args).await?;
    let mut times_ms = Series::default();
    for number in 0..READINGS {
        let begun = Instant::now();
        appender.queue(number)?;
        appender.flush()?;
        // a reading is stored in the transaction that moves the offset beyond it
        sink.until(appender.records, LOOK).await?;
        // the first one waits for the sink to join its group
        if number > 0 {
            times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        // intervals that go round, so that nothing runs in step with them
        tokio::time::sleep(Duration::from_millis(17 * (number % 13))).await;
    }
    sink.stop().await?;
    Ok(times_ms)
}
