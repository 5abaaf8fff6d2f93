//! Processes of one group on topics of their own.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use avro::SchemaId;
use bench::free_address;
use testkit::{Program, Stack, binary};

/// What nothing should take.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// How members share partitions, and whether a restarted one is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    /// As `--group-protocol` has it.
    pub(crate) protocol: &'static str,
    /// Whether they have an `--instance-id`.
    pub(crate) is_static: bool,
}

impl Membership {
    pub(crate) const ALL: [Self; 4] = [
        Self::of("classic", false),
        Self::of("classic", true),
        Self::of("consumer", false),
        Self::of("consumer", true),
    ];

    pub(crate) const fn of(protocol: &'static str, is_static: bool) -> Self {
        Self { protocol, is_static }
    }

    pub(crate) fn name(self) -> String {
        let kind = if self.is_static { "static" } else { "dynamic" };
        format!("{}, {kind}", self.protocol)
    }
}

/// Topics of their own, and who may work on them.
pub(crate) struct Group {
    pub(crate) stack: Stack,
    pub(crate) partitions: i32,
    pub(crate) schema: SchemaId,
    membership: Membership,
    log: tempfile::NamedTempFile,
}

/// A process.
pub(crate) struct Member {
    program: Program,
    management_address: SocketAddr,
}

impl Group {
    pub(crate) async fn new(membership: Membership) -> Result<Self> {
        let stack = Stack::for_test();
        let kafka = stack.kafka();
        let partitions = platform::topics::ensure(&kafka, &Default::default()).await?;
        let registry = stack.registry().registry()?;
        let schema = registry
            .register(&kafka.topics().readings, avro::RecordType::Reading)
            .await?;
        Ok(Self {
            stack,
            partitions,
            schema,
            membership,
            log: tempfile::NamedTempFile::new().context("making a file for logs")?,
        })
    }

    /// Starts the process of that name.
    pub(crate) fn start(&self, name: &str) -> Result<Member> {
        let management_address = free_address()?;
        let log = File::options().append(true).open(self.log.path())?;
        let mut command = Command::new(binary("stream-aggregator"));
        command
            .envs(self.stack.environment())
            .envs([
                ("GROUP_PROTOCOL", self.membership.protocol),
                ("COMMIT_INTERVAL", "50ms"), // so that what is seen is the stop, and not the wait for a commit
            ])
            .env("MANAGEMENT_ADDRESS", management_address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if self.membership.is_static {
            command.env("INSTANCE_ID", name);
        }
        Ok(Member {
            program: Program::start(&mut command),
            management_address,
        })
    }

    /// What processes have logged.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Member {
    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// SIGTERM, without waiting for what comes of it.
    pub(crate) fn tell_to_end(&self) {
        self.program.signal("TERM");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let status = self.program.wait(LIMIT);
        ensure!(status.success(), "a process ended with {status}");
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        let url = format!("http://{}/health/ready", self.management_address);
        while begun.elapsed() < LIMIT {
            if let Ok(answer) = reqwest::get(&url).await
                && answer.status().is_success()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("not ready within {LIMIT:?}")
    }
}
