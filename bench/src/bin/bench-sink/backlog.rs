//! A backlog, worked off by the real program.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{Corpus, Metrics, Server, peak_memory_bytes};
use sqlx::{Connection, PgConnection};
use testkit::{Database, Program, binary};

use crate::measurement::{Clocks, Measurement};

/// Between two looks at how far the sink is: short against the run, and seldom enough not to be felt.
const LOOK: Duration = Duration::from_millis(25);

/// A sink that has stored nothing more for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many records of the topic are stored, or known to be there already.
const PROGRESS: &str =
    "SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM kafka_offsets WHERE topic = $1";

/// A sink at work.
struct Running {
    program: Program,
    connection: PgConnection,
    topic: String,
    management_address: String,
    log: tempfile::NamedTempFile,
}

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
    let mut sink = Running::start(corpus, database, threads, further).await?;
    let first = sink.until(1).await?;
    let start = Clocks::now(server, Some(sink.program.pid()));
    let start_up = started.elapsed();
    let last = sink.until(corpus.records).await?;
    let end = Clocks::now(server, Some(sink.program.pid()));

    let mut measurement = Measurement::between(start, end, last - first);
    measurement.start_up = start_up;
    measurement.metrics = Metrics::of(&sink.management_address).await?;
    measurement.peak_memory_bytes = peak_memory_bytes(sink.program.pid()).unwrap_or_default();
    let status = sink.program.terminate(PATIENCE);
    ensure!(status.success(), "the sink ended with {status}:\n{}", sink.said());
    sink.connection.close().await?;
    Ok(measurement)
}

impl Running {
    async fn start(corpus: &Corpus, database: &Database, threads: u16, further: &str) -> Result<Self> {
        let connection = PgConnection::connect(&database.admin_url).await?;
        let management_address = free_address()?;
        let log = tempfile::NamedTempFile::new().context("making a file for the sink's log")?;
        let output: File = log.reopen()?;
        let mut command = Command::new(binary("sink"));
        command
            .envs(corpus.stack.environment())
            .env("DATABASE_URL", &database.sink_url)
            .env("MANAGEMENT_ADDRESS", &management_address)
            .env("THREADS", threads.to_string())
            // each run has its own members and reads everything again
            .env("GROUP_ID", database_name(database))
            .env("RUST_LOG", "warn")
            .args(further.split_whitespace())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self {
            program: Program::start(&mut command),
            connection,
            topic: corpus.topic(),
            management_address,
            log,
        })
    }

    /// Waits until so many records are stored, and tells how many are.
    async fn until(&mut self, wanted: u64) -> Result<u64> {
        let (mut stored, mut since) = (0, Instant::now());
        loop {
            let progress: i64 = sqlx::query_scalar(PROGRESS)
                .bind(&self.topic)
                .fetch_one(&mut self.connection)
                .await
                .context("asking how far the sink is")?;
            let progress = u64::try_from(progress).unwrap_or_default();
            if progress >= wanted {
                return Ok(progress);
            }
            if progress != stored {
                (stored, since) = (progress, Instant::now());
            }
            ensure!(
                self.program.is_running(),
                "the sink ended at {stored} of {wanted} records:\n{}",
                self.said()
            );
            ensure!(
                since.elapsed() < PATIENCE,
                "nothing stored for {} s, at {stored} of {wanted} records:\n{}",
                PATIENCE.as_secs(),
                self.said()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

fn database_name(database: &Database) -> &str {
    database
        .admin_url
        .rsplit_once('/')
        .map_or("bench", |(_, name)| name)
}

fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?.to_string())
}
