//! A backlog, worked off by the real program.

use std::time::{Duration, Instant};

use anyhow::Result;
use bench::{Corpus, Metrics, Server, peak_memory_bytes};
use testkit::Database;

use crate::measurement::{Clocks, Measurement};
use crate::running::Running;

/// Between two looks at how far the sink is: short against the run, and seldom enough not to be felt.
const LOOK: Duration = Duration::from_millis(25);

/// Has the sink store the corpus in this database. Time is taken from the first batch, so that joining the group is not
/// in it.
pub(crate) async fn work_off(
    server: &Server,
    corpus: &Corpus,
    database: &Database,
    threads: u16,
    further: &str,
) -> Result<Measurement> {
    let started = Instant::now();
    let mut sink = Running::start(&corpus.stack, database, threads, further).await?;
    let first = sink.until(1, LOOK).await?;
    let start = Clocks::now(server, Some(sink.program.pid()));
    let start_up = started.elapsed();
    let last = sink.until(corpus.records, LOOK).await?;
    let end = Clocks::now(server, Some(sink.program.pid()));

    let mut measurement = Measurement::between(start, end, last - first);
    measurement.start_up = start_up;
    measurement.metrics = Metrics::of(&sink.management_address).await?;
    measurement.peak_memory_bytes = peak_memory_bytes(sink.program.pid()).unwrap_or_default();
    sink.stop().await?;
    Ok(measurement)
}
