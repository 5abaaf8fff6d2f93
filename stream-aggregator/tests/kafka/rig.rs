//! Topics of one test, the program on them, and what has come out.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use avro::{Decoder, RecordType, Registry, SchemaId};
use domain::{Closed, FarmWindow, Metric, RawReading, TimeDelta, Timestamp, TurbineWindow};
use platform::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use stream_aggregator::machine::Metadata;
use testkit::{Program, Record, Stack, committed_records, eventually, produce};
use tokio_util::sync::CancellationToken;

pub(crate) const SIZE: TimeDelta = TimeDelta::from_secs(2);
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Everything that one test needs.
pub(crate) struct Rig {
    pub(crate) stack: Stack,
    pub(crate) topics: Topics,
    pub(crate) registry: Registry,
    pub(crate) schema: SchemaId,
    /// Start of a window some time ago; the tests count from here.
    pub(crate) start: Timestamp,
    /// Asks for the group's offsets without being a member.
    observer: BaseConsumer,
    logs: PathBuf,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let stack = Stack::for_test();
        let kafka = stack.kafka();
        let topics = kafka.topics();
        platform::topics::ensure(&kafka, &CancellationToken::new())
            .await
            .unwrap();
        let registry = stack.registry().registry().unwrap();
        let schema = registry
            .register(&topics.readings, RecordType::Reading)
            .await
            .unwrap();
        for (topic, record) in [
            (&topics.farm_windows, RecordType::FarmWindow),
            (&topics.turbine_windows, RecordType::TurbineWindow),
        ] {
            registry.register(topic, record).await.unwrap();
        }
        let observer = kafka
            .client_config("observer")
            .set("group.id", format!("{}stream-aggregator", stack.topic_prefix))
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let logs = std::env::temp_dir().join(format!("{}log", stack.topic_prefix));
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let now = Timestamp::from_millis(since_epoch.as_millis() as i64);
        Self {
            start: now.floor_to(SIZE) - TimeDelta::from_secs(3_600),
            stack,
            topics,
            registry,
            schema,
            observer,
            logs,
        }
    }

    /// The program with windows of two seconds, its log in a file.
    pub(crate) fn command(&self, instance: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stream-aggregator"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.logs)
            .unwrap();
        command
            .envs(self.stack.environment())
            .envs([
                ("WINDOW_SIZE", "2s"),
                ("GRACE", "500ms"),
                ("IDLE_AFTER", "1s"),
                ("COMMIT_INTERVAL", "100ms"),
                ("TRANSACTION_TIMEOUT", "3s"),
                ("SESSION_TIMEOUT", "6s"),
                ("RUST_LOG", "info,stream_aggregator=debug"),
                ("INSTANCE_ID", instance),
            ])
            .stderr(log);
        command
    }

    pub(crate) fn start(&self, instance: &str) -> Program {
        Program::start(&mut self.command(instance))
    }

    /// What the programs of this test have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.logs).unwrap_or_default()
    }

    /// So many milliseconds after the test's first window has begun.
    pub(crate) fn at(&self, ms: i64) -> Timestamp {
        self.start + TimeDelta::from_millis(ms)
    }

    pub(crate) fn reading(&self, farm: &str, turbine: &str, ms: i64, power_kw: f64) -> RawReading<'static> {
        let mut reading = RawReading {
            farm_id: Cow::Owned(farm.to_owned()),
            turbine_id: Cow::Owned(turbine.to_owned()),
            event_time: self.at(ms),
            ..RawReading::default()
        };
        reading.metrics.set(Metric::ActivePower, Some(power_kw));
        reading
    }

    pub(crate) fn encode(&self, reading: &RawReading<'_>) -> Vec<u8> {
        let mut payload = Vec::new();
        avro::wire::frame(self.schema, &mut payload);
        avro::encode_reading(reading, &mut payload);
        payload
    }

    /// Appends readings, each with its farm as key.
    pub(crate) fn send(&self, readings: &[RawReading<'_>]) {
        let payloads: Vec<_> = readings.iter().map(|reading| self.encode(reading)).collect();
        let records = readings
            .iter()
            .map(|reading| reading.farm_id.as_bytes())
            .zip(payloads.iter().map(Vec::as_slice));
        produce(&self.stack.kafka(), &self.topics.readings, None, records);
    }

    pub(crate) fn send_bytes(&self, key: &[u8], payload: &[u8]) {
        produce(&self.stack.kafka(), &self.topics.readings, None, [(key, payload)]);
    }

    /// The same for what is larger than clients send by default.
    pub(crate) fn send_large(&self, key: &[u8], payload: &[u8]) {
        let mut config = self.stack.kafka().producer_config("large");
        let producer: BaseProducer = config.set("message.max.bytes", "2000000").create().unwrap();
        producer
            .send(BaseRecord::to(&self.topics.readings).key(key).payload(payload))
            .unwrap();
        producer.flush(LIMIT).unwrap();
    }

    pub(crate) fn committed(&self, topic: &str) -> Vec<Record> {
        committed_records(&self.stack.kafka(), topic)
    }

    /// The partition that a farm's readings are in.
    pub(crate) fn partition_of(&self, farm: &str) -> i32 {
        let readings = self.committed(&self.topics.readings);
        readings
            .iter()
            .find(|record| record.key == farm.as_bytes())
            .unwrap()
            .partition
    }

    pub(crate) fn farm_windows(&self) -> Vec<Closed<FarmWindow>> {
        let mut decoder = Decoder::new(self.registry.clone());
        let decode = |record: Record| {
            let closed = decoder.farm_window(&record.payload).unwrap();
            assert_eq!(record.key, closed.window.farm_id.as_str().as_bytes());
            closed
        };
        self.committed(&self.topics.farm_windows)
            .into_iter()
            .map(decode)
            .collect()
    }

    pub(crate) fn turbine_windows(&self) -> Vec<Closed<TurbineWindow>> {
        let mut decoder = Decoder::new(self.registry.clone());
        let decode = |record: Record| decoder.turbine_window(&record.payload).unwrap();
        self.committed(&self.topics.turbine_windows)
            .into_iter()
            .map(decode)
            .collect()
    }

    /// Waits until everything appended is committed and no window is open any more.
    pub(crate) async fn until_settled(&self) {
        eventually(
            "everything is processed and every window closed",
            LIMIT,
            async || (0..6).all(|partition| self.is_settled(partition)).then_some(()),
        )
        .await;
    }

    /// Waits until everything appended is committed, windows may be open.
    pub(crate) async fn until_processed(&self) {
        eventually("everything is processed", LIMIT, async || {
            (0..6)
                .all(|partition| self.processed(partition).is_some_and(|progress| progress.is_all))
                .then_some(())
        })
        .await;
    }

    pub(crate) fn is_settled(&self, partition: i32) -> bool {
        self.processed(partition)
            .is_some_and(|progress| progress.is_all && !progress.has_open_windows)
    }

    /// None while Kafka does not say.
    fn processed(&self, partition: i32) -> Option<Progress> {
        let readings = &self.topics.readings;
        let (_, end) = self.observer.fetch_watermarks(readings, partition, LIMIT).ok()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(readings, partition);
        let answer = self
            .observer
            .committed_offsets(asked, Duration::from_secs(2))
            .ok()?;
        let element = answer.find_partition(readings, partition)?;
        if let Offset::Offset(offset) = element.offset() {
            let metadata: Metadata = element.metadata().parse().unwrap();
            Some(Progress {
                is_all: metadata.processed == end,
                has_open_windows: offset < metadata.processed,
            })
        } else {
            Some(Progress {
                is_all: end == 0,
                has_open_windows: false,
            })
        }
    }
}

/// How far a partition is.
struct Progress {
    /// Whether every record is processed and that is committed.
    is_all: bool,
    has_open_windows: bool,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.logs);
        }
    }
}
