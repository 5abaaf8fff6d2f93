//! The whole program: what it has processed is what its group has committed.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::Corpus;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use stream_aggregator::machine::Metadata;
use tempfile::NamedTempFile;
use testkit::{Program, binary};

use crate::measurement::{Clocks, Measurement};

/// Between two looks at what is committed: short against the run, and seldom enough not to be felt.
const LOOK: Duration = Duration::from_millis(20);

/// An aggregator that has committed nothing more for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An aggregator at work.
pub(crate) struct Aggregator<'a> {
    corpus: &'a Corpus,
    program: Program,
    /// Asks for the group's offsets without being a member.
    observer: BaseConsumer,
    log: NamedTempFile,
}

/// Has the aggregator work the corpus off as `group`, which has read nothing of it yet. Time is taken from its first
/// commit, so that joining the group is not in it, to the one that holds everything.
pub(crate) fn work_off(corpus: &Corpus, group: &str, threads: u16, further: &str) -> Result<Measurement> {
    let mut aggregator = Aggregator::start(corpus, group, threads, further)?;
    let pid = aggregator.program.pid();
    let first = aggregator.until(1)?;
    let start = Clocks::now(pid);
    let last = aggregator.until(corpus.records)?;
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
        let log = NamedTempFile::new().context("making a file for the aggregator's log")?;
        let output: File = log.reopen()?;
        let mut command = Command::new(binary("stream-aggregator"));
        command
            .envs(corpus.stack.environment())
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
            observer,
            log,
        })
    }

    /// Waits until so many records are processed and that is committed, and tells how many are.
    pub(crate) fn until(&mut self, wanted: u64) -> Result<u64> {
        let (mut processed, mut since) = (0, Instant::now());
        loop {
            let now = self.processed()?;
            if now >= wanted {
                return Ok(now);
            }
            if now != processed {
                (processed, since) = (now, Instant::now());
            }
            ensure!(
                self.program.is_running() && since.elapsed() < PATIENCE,
                "the aggregator stays at {processed} of {wanted} records:\n{}",
                self.said()
            );
            std::thread::sleep(LOOK);
        }
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

    fn processed(&self) -> Result<u64> {
        let answer = self
            .observer
            .committed_offsets(all_partitions(self.corpus)?, PATIENCE)
            .context("asking for the group's offsets")?;
        let mut processed = 0;
        for element in answer.elements() {
            // those that it has not committed itself have none
            if !element.metadata().is_empty() {
                let metadata: Metadata = element.metadata().parse()?;
                processed += u64::try_from(metadata.processed)?;
            }
        }
        Ok(processed)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

fn all_partitions(corpus: &Corpus) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&corpus.topic(), 0, i32::try_from(corpus.partitions)? - 1);
    Ok(list)
}
