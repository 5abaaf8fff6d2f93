//! The same job done with Kafka Streams: `bench/peers/kafka-streams`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bench::Corpus;

use crate::measurement::Measurement;
use crate::worker;

/// What the peer's virtual machine is told: the quickest of those tried on two processors, and no more memory than it can
/// make use of.
const JAVA: [&str; 4] = [
    "-Xms512m",
    "-Xmx512m",
    "-XX:+UseParallelGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// Where it keeps its windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Store {
    Memory,
    RocksDb,
}

/// What it promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

/// The peer, built.
pub(crate) struct KafkaStreams {
    folder: PathBuf,
}

impl KafkaStreams {
    /// Builds it with Maven, beside what cargo builds.
    pub(crate) fn build() -> Result<Self> {
        let own = std::env::current_exe()?;
        let target = own
            .ancestors()
            .nth(2)
            .context("this program lies in no target folder")?;
        let folder = target.join("peers/kafka-streams");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/kafka-streams/pom.xml");
        let status = Command::new("mvn")
            .args(["-B", "-q", "-ntp", "-Dstyle.color=never", "-f"])
            .arg(source)
            .arg(format!("-Dpeer.dir={}", folder.display()))
            .arg("compile")
            .stdin(Stdio::null())
            .status()
            .context("running mvn, which builds the peer with a JDK")?;
        ensure!(
            status.success(),
            "the peer does not build; it wants Maven and a JDK of at least 17"
        );
        Ok(Self { folder })
    }

    /// Has it work the corpus off on two threads; time is taken when it has warmed up, and its last commit is not waited for.
    pub(crate) fn work_off(
        &self,
        corpus: &Corpus,
        application: &str,
        store: Store,
        guarantee: Guarantee,
    ) -> Result<Measurement> {
        let state = tempfile::tempdir().context("making a folder for the peer's state")?;
        let classes = format!(
            "{}:{}/*",
            self.folder.join("classes").display(),
            self.folder.join("lib").display()
        );
        let mut command = Command::new("java");
        command
            .args(JAVA)
            .args(["-cp", &classes, "veleta.peer.Main"])
            .args([&corpus.stack.bootstrap_servers, &corpus.topic()])
            .args([corpus.partitions.to_string(), corpus.records.to_string()])
            .args([application, store.as_str(), guarantee.as_str()])
            .arg(state.path());
        worker::measure(&mut command, corpus.records)
    }
}

impl Store {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::RocksDb];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::RocksDb => "rocksdb",
        }
    }
}

impl Guarantee {
    pub(crate) const ALL: [Self; 2] = [Self::ExactlyOnce, Self::AtLeastOnce];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly_once_v2",
            Self::AtLeastOnce => "at_least_once",
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
