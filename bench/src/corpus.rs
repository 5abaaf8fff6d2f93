//! Readings in a topic, to be worked off.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use avro::{RecordType, SchemaId};
use domain::{Metric, Metrics, OperatingStatus, RawReading, TimeDelta, Timestamp};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use testkit::Stack;

/// How long the broker may take for the last of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every how many readings one is sent twice, of 5 in a hundred.
const EVERY_TWENTIETH: u64 = 20;

/// Half of the duplicates come as much later: by then their original is in the table.
const DISTANCE: usize = 100_000;

/// What they are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Readings, duplicates not counted.
    pub readings: u64,
    /// Turbines, which take turns.
    pub turbines: u64,
    /// Farms that they stand in; none is as [`Shape::farms`] says.
    pub farms: Option<u64>,
    /// The event time that they go over.
    pub span: TimeDelta,
    /// Whether one reading in twenty is sent twice.
    pub duplicates: bool,
}

/// Readings in a topic of their own.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// What they are like.
    pub shape: Shape,
    /// Where they are.
    pub stack: Stack,
    /// Partitions of the topic.
    pub partitions: u64,
    /// Records in the topic.
    pub records: u64,
}

/// Sends readings; farms take the partitions in turn, so that each partition has as many.
pub struct Appender {
    shape: Shape,
    partitions: u64,
    names: Vec<(String, String)>,
    farms: u64,
    schema: SchemaId,
    topic: String,
    producer: BaseProducer,
    payload: Vec<u8>,
    /// Records sent.
    pub records: u64,
    /// Where they go.
    pub stack: Stack,
}

impl Shape {
    /// The day of all of them.
    pub const DAY: &'static str = "2025-11-20";

    /// 20 hours of one day: what a day's partition holds does not depend on how many turbines there are.
    pub const WITHIN_A_DAY: TimeDelta = TimeDelta::from_secs(20 * 3_600);

    /// Farms: as many as are wanted, else as there are partitions and tens of turbines, at most ten for each partition.
    pub fn farms(&self, partitions: u64) -> u64 {
        self.farms
            .unwrap_or_else(|| (self.turbines / 10).clamp(partitions, partitions * 10))
    }

    /// The event time of the reading of this number.
    pub fn event_time(&self, number: u64) -> Timestamp {
        let share = |of: i64| i128::from(of) * i128::from(number) / i128::from(self.readings.max(1));
        let micros = i64::try_from(share(self.span.as_micros())).unwrap_or(i64::MAX);
        midnight() + TimeDelta::from_micros(micros)
    }

    /// The reading of this number.
    fn reading(&self, number: u64, names: &[(String, String)]) -> RawReading<'_> {
        let turn = usize::try_from(number % self.turbines).expect("as many as there are names");
        let (farm, turbine) = &names[turn];
        let event_time = self.event_time(number);
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        RawReading {
            farm_id: farm.clone().into(),
            turbine_id: turbine.clone().into(),
            event_time,
            sequence: Some(number / i64::try_from(self.turbines).unwrap_or(1)),
            metrics: metrics(number),
            operating_status: Some(OperatingStatus::Generating),
        }
    }

    /// Farm and turbine of each turn.
    fn names(&self, partitions: u64) -> Vec<(String, String)> {
        let farms = self.farms(partitions);
        (0..self.turbines)
            .map(|turbine| {
                (
                    format!("farm-{}", turbine % farms),
                    format!("T{:03}", turbine / farms),
                )
            })
            .collect()
    }
}

impl Corpus {
    /// Sends them.
    ///
    /// # Errors
    /// When a server does not take them.
    pub async fn send(shape: Shape, partitions: u64) -> Result<Self> {
        let mut appender = Appender::to_new_topic(shape, partitions).await?;
        let mut later = VecDeque::new();
        for number in 0..shape.readings {
            appender.queue(number)?;
            if shape.duplicates && number % EVERY_TWENTIETH == 0 {
                if number % (2 * EVERY_TWENTIETH) == 0 {
                    appender.queue(number)?;
                } else {
                    later.push_back(number);
                }
            }
            if later.len() > DISTANCE / 40
                && let Some(number) = later.pop_front()
            {
                appender.queue(number)?;
            }
        }
        for number in later {
            appender.queue(number)?;
        }
        appender.flush()?;
        Ok(Self {
            shape,
            partitions,
            records: appender.records,
            stack: appender.stack,
        })
    }

    /// The topic's name.
    pub fn topic(&self) -> String {
        self.stack.kafka().topics().readings
    }
}

impl Appender {
    /// To a topic of its own with so many partitions.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn to_new_topic(shape: Shape, partitions: u64) -> Result<Self> {
        let stack = Stack::for_test();
        let mut kafka = stack.kafka();
        kafka.topic_partitions = i32::try_from(partitions).context("too many partitions")?;
        platform::topics::ensure(&kafka, &Default::default()).await?;
        let topic = kafka.topics().readings;
        let schema = stack
            .registry()
            .registry()?
            .register(&topic, RecordType::Reading)
            .await?;
        let mut config = kafka.producer_config("bench");
        config
            .set("linger.ms", "20")
            .set("batch.num.messages", "20000")
            .set("queue.buffering.max.messages", "200000");
        Ok(Self {
            names: shape.names(partitions),
            farms: shape.farms(partitions),
            producer: config.create().context("kafka producer")?,
            payload: Vec::new(),
            records: 0,
            shape,
            partitions,
            schema,
            topic,
            stack,
        })
    }

    /// Hands the reading of this number over to Kafka's client.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn queue(&mut self, number: u64) -> Result<()> {
        let reading = self.shape.reading(number, &self.names);
        self.payload.clear();
        avro::wire::frame(self.schema, &mut self.payload);
        avro::encode_reading(&reading, &mut self.payload);
        self.records += 1;
        let partition = number % self.shape.turbines % self.farms % self.partitions;
        let mut record = BaseRecord::to(&self.topic)
            .key(&*reading.farm_id)
            .payload(&self.payload)
            .partition(i32::try_from(partition)?);
        while let Err((error, back)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                bail!("queueing a reading: {error}");
            }
            record = back;
            self.producer.poll(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until the broker has all of them.
    ///
    /// # Errors
    /// When it does not take them in time.
    pub fn flush(&self) -> Result<()> {
        self.producer.flush(PATIENCE).context("waiting for the broker")
    }
}

fn midnight() -> Timestamp {
    format!("{}T00:00:00Z", Shape::DAY)
        .parse()
        .expect("the day is one of the calendar")
}

/// Values that differ from reading to reading as measured ones do, a function of its number.
fn metrics(number: i64) -> Metrics {
    Metric::ALL
        .into_iter()
        .map(|metric| {
            let (low, high) = metric.bounds();
            (metric, low + (high - low) * unit(number * 8 + metric as i64))
        })
        .collect()
}

/// A number from 0 to 1 with as many digits as a sensor has, from a finaliser of SplitMix64.
fn unit(number: i64) -> f64 {
    let mut bits = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) % 10_000) as f64 / 10_000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::{Limits, validate};

    use super::*;

    #[test]
    fn every_reading_is_valid_and_another_one_within_the_day() {
        for turbines in [10, 1_200, 10_000] {
            let shape = Shape {
                readings: 50_000,
                turbines,
                farms: None,
                span: Shape::WITHIN_A_DAY,
                duplicates: false,
            };
            let names = shape.names(6);
            let mut keys = BTreeSet::new();
            for number in 0..shape.readings {
                let reading = shape.reading(number, &names);
                keys.insert((
                    reading.farm_id.to_string(),
                    reading.turbine_id.to_string(),
                    reading.event_time,
                ));
                assert!(reading.event_time < midnight() + Shape::WITHIN_A_DAY);
                validate(reading, midnight() + Shape::WITHIN_A_DAY, &Limits::default()).unwrap();
            }
            assert_eq!(keys.len(), 50_000);
        }
    }

    #[test]
    fn each_partition_has_farms() {
        let shape = |turbines| Shape {
            readings: 1,
            turbines,
            farms: None,
            span: Shape::WITHIN_A_DAY,
            duplicates: false,
        };
        assert_eq!(shape(10).farms(6), 6);
        assert_eq!(shape(1_200).farms(6), 60);
        assert_eq!(shape(10_000).farms(6), 60);
    }
}
