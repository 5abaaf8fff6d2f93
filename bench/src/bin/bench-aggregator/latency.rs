//! How long a closed window takes to its readers while readings come live.

use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use avro::RecordType;
use bench::Series;
use domain::{CloseReason, Metric, RawReading, TimeDelta, Timestamp};
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use testkit::{Program, Stack, binary};

/// 10,000 readings a second: each turbine one.
const FARMS: u32 = 100;
const TURBINES_PER_FARM: u32 = 100;

/// Between two portions of readings.
const BEAT: Duration = Duration::from_millis(10);
const PORTION: u32 = FARMS * TURBINES_PER_FARM / 100;

/// Windows short enough that there are many.
const WINDOW: TimeDelta = TimeDelta::from_secs(2);
const GRACE: TimeDelta = TimeDelta::from_millis(500);

/// Not looked at: the group joins, connections are made.
const WARM_UP: Duration = Duration::from_secs(8);

/// Of each round.
const ROUND: Duration = Duration::from_secs(6);

/// How long the program may take to end.
const END: Duration = Duration::from_secs(30);

/// A farm's window, by its end.
type Window = (String, Timestamp);

/// Milliseconds from the append of the reading that closes a window to that window's arrival at a reader of committed
/// records, of every window, by rounds.
pub(crate) async fn measure(rounds: u64, further: &str) -> Result<Vec<Series>> {
    let stack = Stack::for_test();
    let kafka = stack.kafka();
    platform::topics::ensure(&kafka, &Default::default()).await?;
    let registry = stack.registry().registry()?;
    let schema = registry
        .register(&kafka.topics().readings, RecordType::Reading)
        .await?;
    let mut command = Command::new(binary("stream-aggregator"));
    command
        .envs(stack.environment())
        .envs([("WINDOW_SIZE", "2s"), ("GRACE", "500ms"), ("THREADS", "2")])
        .env("RUST_LOG", "warn")
        .args(further.split_whitespace())
        .stdin(Stdio::null());
    let mut program = Program::start(&mut command);

    let begun = now();
    let lasts = WARM_UP + ROUND * u32::try_from(rounds)?;
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let observing = scope.spawn(|| observe(&kafka, &stop));
        let sent = send(&kafka, schema, lasts);
        stop.store(true, Ordering::Relaxed);
        let observed = observing.join().expect("observing does not panic");
        sent.and(observed)
    })?;
    let status = program.terminate(END);
    ensure!(status.success(), "the aggregator ended with {status}");
    Ok(seen.by_rounds(begun + WARM_UP.into(), rounds))
}

/// Sends readings of now until the time is over.
fn send(kafka: &KafkaArgs, schema: avro::SchemaId, lasts: Duration) -> Result<()> {
    let mut config = kafka.producer_config("bench-live");
    config
        .set("linger.ms", "1")
        // what is delivered makes room at once, and not when its report has been taken up
        .set("delivery.report.only.error", "true");
    let producer: BaseProducer = config.create().context("kafka producer")?;
    let topic = kafka.topics().readings;
    let names: Vec<_> = (0..FARMS * TURBINES_PER_FARM)
        .map(|number| {
            (
                format!("farm-{}", number % FARMS),
                format!("T{:03}", number / FARMS),
            )
        })
        .collect();
    let begun = Instant::now();
    let mut payload = Vec::new();
    let mut turns = names.iter().enumerate().cycle();
    for beat in 0.. {
        let due = BEAT * beat;
        if due > lasts {
            break;
        }
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        for (number, (farm, turbine)) in turns.by_ref().take(PORTION as usize) {
            let reading = RawReading {
                farm_id: farm.into(),
                turbine_id: turbine.into(),
                event_time: now(),
                metrics: Metric::ALL
                    .into_iter()
                    .map(|metric| (metric, number as f64 % 50.0))
                    .collect(),
                ..RawReading::default()
            };
            payload.clear();
            avro::wire::frame(schema, &mut payload);
            avro::encode_reading(&reading, &mut payload);
            let record = BaseRecord::to(&topic).key(farm.as_str()).payload(&payload);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(END).context("waiting for the broker")
}

/// When windows were to close, and when they came.
#[derive(Default)]
struct Seen {
    /// Append time of the reading that closes it.
    closing: HashMap<Window, Timestamp>,
    arrived: BTreeMap<Window, Timestamp>,
    /// The end of the last window of each farm that was to close.
    closed_until: HashMap<String, Timestamp>,
}

fn observe(kafka: &KafkaArgs, stop: &AtomicBool) -> Result<Seen> {
    let topics = kafka.topics();
    let consumer: BaseConsumer = kafka
        .client_config("bench-observer")
        .set("group.id", "bench-never-commits")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "100")
        .create()
        .context("kafka consumer")?;
    let mut list = TopicPartitionList::new();
    for topic in [&topics.readings, &topics.farm_windows] {
        for partition in 0..kafka.topic_partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&list)?;
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let Some(polled) = consumer.poll(Duration::from_millis(50)) else {
            continue;
        };
        let message = polled.context("reading")?;
        let (_, body) = avro::wire::split(message.payload().unwrap_or_default())?;
        if message.topic() == topics.readings {
            let reading = avro::decode_reading(body)?;
            let appended_ms = message.timestamp().to_millis().unwrap_or_default();
            seen.reading(
                &reading.farm_id,
                reading.event_time,
                Timestamp::from_millis(appended_ms),
            );
        } else {
            let closed = avro::decode_farm_window(body)?;
            if closed.close_reason == CloseReason::StreamTime {
                let farm = closed.window.farm_id.as_str().to_owned();
                seen.arrived.insert((farm, closed.window.window_end), now());
            }
        }
    }
    Ok(seen)
}

impl Seen {
    fn reading(&mut self, farm: &str, event_time: Timestamp, appended_at: Timestamp) {
        let until = (event_time - GRACE).floor_to(WINDOW);
        match self.closed_until.get_mut(farm) {
            Some(before) if *before >= until => {}
            Some(before) => {
                *before = until;
                self.closing.insert((farm.to_owned(), until), appended_at);
            }
            // what closed before is not known
            None => {
                self.closed_until.insert(farm.to_owned(), until);
            }
        }
    }

    fn by_rounds(&self, begun: Timestamp, rounds: u64) -> Vec<Series> {
        let mut by_rounds = vec![Series::default(); usize::try_from(rounds).unwrap_or_default()];
        for (window, arrived) in &self.arrived {
            let Some(&closing) = self.closing.get(window) else {
                continue;
            };
            let round = closing
                .since(begun)
                .as_micros()
                .div_euclid(TimeDelta::from(ROUND).as_micros());
            let round = usize::try_from(round)
                .ok()
                .and_then(|round| by_rounds.get_mut(round));
            if let Some(round) = round {
                round.push(arrived.since(closing).as_micros() as f64 / 1_000.0);
            }
        }
        by_rounds
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or_default())
}
