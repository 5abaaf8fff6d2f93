//! The program that is measured.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::free_address;
use sqlx::{Connection, PgConnection};
use tempfile::NamedTempFile;
use testkit::{Database, Program, Stack, binary};

/// A sink that has stored nothing more for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many records of the topic are stored, or known to be there already.
const PROGRESS: &str =
    "SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM kafka_offsets WHERE topic = $1";

/// A sink at work.
pub(crate) struct Running {
    pub(crate) program: Program,
    connection: PgConnection,
    topic: String,
    pub(crate) management_address: String,
    log: NamedTempFile,
}

impl Running {
    /// On all topics of this stack.
    pub(crate) async fn start(
        stack: &Stack,
        database: &Database,
        threads: u16,
        further: &str,
    ) -> Result<Self> {
        let connection = PgConnection::connect(&database.admin_url).await?;
        let management_address = free_address()?.to_string();
        let log = NamedTempFile::new().context("making a file for the sink's log")?;
        let output: File = log.reopen()?;
        let mut command = Command::new(binary("sink"));
        command
            .envs(stack.environment())
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
            topic: stack.kafka().topics().readings,
            management_address,
            log,
        })
    }

    /// Waits until so many records are stored, looking at this interval, and tells how many are.
    pub(crate) async fn until(&mut self, wanted: u64, look: Duration) -> Result<u64> {
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
                said(&self.log)
            );
            ensure!(
                since.elapsed() < PATIENCE,
                "nothing stored for {} s, at {stored} of {wanted} records:\n{}",
                PATIENCE.as_secs(),
                said(&self.log)
            );
            tokio::time::sleep(look).await;
        }
    }

    /// Has it store what it has read, and end.
    pub(crate) async fn stop(self) -> Result<()> {
        let Self {
            mut program,
            connection,
            log,
            ..
        } = self;
        let status = program.terminate(PATIENCE);
        ensure!(status.success(), "the sink ended with {status}:\n{}", said(&log));
        Ok(connection.close().await?)
    }
}

fn said(log: &NamedTempFile) -> String {
    std::fs::read_to_string(log.path()).unwrap_or_default()
}

fn database_name(database: &Database) -> &str {
    database
        .admin_url
        .rsplit_once('/')
        .map_or("bench", |(_, name)| name)
}
