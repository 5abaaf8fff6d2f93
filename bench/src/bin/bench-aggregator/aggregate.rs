//! The whole program: what it has worked off is what its group has committed.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{Corpus, Metrics, free_address};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use stream_aggregator::machine::Metadata;
use tempfile::NamedTempFile;
use testkit::{Program, binary};

use crate::measurement::{Clocks, Measurement};

/// Between two looks at what is committed: short against the run, and seldom enough not to be felt.
const LOOK: Duration = Duration::from_millis(20);

/// What it counts its records in.
const PROCESSED: &str = "windfarm_stream_aggregator_records_processed_total";

/// By the time that one in so many of the records is processed, each thread has its partitions: it and its peer alike.
const WARM_UP: u64 = 3;

/// An aggregator that has committed nothing more for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An aggregator at work.
pub(crate) struct Aggregator<'a> {
    corpus: &'a Corpus,
    program: Program,
    management_address: String,
    /// Asks for the group's offsets without being a member.
    observer: BaseConsumer,
    log: NamedTempFile,
}

/// Has the aggregator work the corpus off as `group`, which has read nothing of it yet. Time is taken from when it has
/// warmed up, so that sharing the partitions out is not in it, to the commit that holds everything.
pub(crate) async fn work_off(
    corpus: &Corpus,
    group: &str,
    threads: u16,
    further: &str,
) -> Result<Measurement> {
    let mut aggregator = Aggregator::start(corpus, group, threads, further)?;
    let pid = aggregator.program.pid();
    let first = aggregator.until_processed(corpus.records / WARM_UP).await?;
    let start = Clocks::now(pid);
    let last = aggregator.until_committed(corpus.records).await?;
    let end = Clocks::now(pid);
    let measurement = Measurement::between(start, end, last - first, pid);
    aggregator.stop()?;
    Ok(measurement)
}

impl<'a> Aggregator<'a> {
    /// Starts it as the only member of `group`, at the beginning of the topic.
    pub(crate) fn start(corpus: &'a Corpus, group: &str, threads: u16, further: &str) -> Result<Self> {
        let observer: BaseConsumer = corpus
            .stack
            .kafka()
            .client_config("bench-observer")
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            // what is pending is not waited for
            .set("isolation.level", "read_uncommitted")
            .create()
            .context("kafka consumer")?;
        // those of another group have left checkpoints, so that a group without offsets would look as if it had lost them
        let mut beginning = all_partitions(corpus)?;
        beginning.set_all_offsets(Offset::Offset(0))?;
        observer
            .commit(&beginning, CommitMode::Sync)
            .context("putting the group to the beginning")?;
        let management_address = free_address()?.to_string();
        let log = NamedTempFile::new().context("making a file for the aggregator's log")?;
        let output: File = log.reopen()?;
        let mut command = Command::new(binary("stream-aggregator"));
        command
            .envs(corpus.stack.environment())
            .env("MANAGEMENT_ADDRESS", &management_address)
            .env("THREADS", threads.to_string())
            .env("GROUP_ID", group)
            .env("RUST_LOG", "warn")
            .args(further.split_whitespace())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self {
            corpus,
            program: Program::start(&mut command),
            management_address,
            observer,
            log,
        })
    }

    /// Waits until it says that so many records are processed, committed or not, and tells how many are.
    async fn until_processed(&mut self, wanted: u64) -> Result<u64> {
        let mut progress = Progress::new(wanted);
        loop {
            // nothing answers before it listens
            let said = Metrics::of(&self.management_address).await.unwrap_or_default();
            if let Some(processed) = progress.at(said.sum(PROCESSED) as u64) {
                return Ok(processed);
            }
            self.wait(&progress).await?;
        }
    }

    /// Waits until so many records are processed and that is committed, and tells how many are.
    async fn until_committed(&mut self, wanted: u64) -> Result<u64> {
        let mut progress = Progress::new(wanted);
        loop {
            if let Some(committed) = progress.at(self.committed()?) {
                return Ok(committed);
            }
            self.wait(&progress).await?;
        }
    }

    async fn wait(&mut self, progress: &Progress) -> Result<()> {
        ensure!(
            self.program.is_running() && progress.since.elapsed() < PATIENCE,
            "the aggregator stays at {} of {} records:\n{}",
            progress.records,
            progress.wanted,
            self.said()
        );
        tokio::time::sleep(LOOK).await;
        Ok(())
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.program.terminate(PATIENCE);
        ensure!(
            status.success(),
            "the aggregator ended with {status}:\n{}",
            self.said()
        );
        Ok(())
    }

    fn committed(&self) -> Result<u64> {
        let answer = self
            .observer
            .committed_offsets(all_partitions(self.corpus)?, PATIENCE)
            .context("asking for the group's offsets")?;
        let mut committed = 0;
        for element in answer.elements() {
            // those that it has not committed itself have none
            if !element.metadata().is_empty() {
                let metadata: Metadata = element.metadata().parse()?;
                committed += u64::try_from(metadata.processed)?;
            }
        }
        Ok(committed)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

/// How far it is, and since when.
struct Progress {
    wanted: u64,
    records: u64,
    since: Instant,
}

impl Progress {
    fn new(wanted: u64) -> Self {
        Self {
            wanted,
            records: 0,
            since: Instant::now(),
        }
    }

    /// It is at so many; tells them if that is enough.
    fn at(&mut self, records: u64) -> Option<u64> {
        if records != self.records {
            (self.records, self.since) = (records, Instant::now());
        }
        (records >= self.wanted).then_some(records)
    }
}

fn all_partitions(corpus: &Corpus) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&corpus.topic(), 0, i32::try_from(corpus.partitions)? - 1);
    Ok(list)
}
