//! Partitions come and go. The database says where each is to be read from; Kafka's own committed offsets are not used.
//!
//! Positions are set by absolute offsets within the assignment, never by a seek after an assignment with a logical one:
//! a pending look-up of that would override the seek half a second later.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::batch::Progress;
use crate::lane::{Lane, Topic};
use crate::telemetry;
use crate::worker::{Need, Trouble, Worker, waits};

/// How long Kafka may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

impl Worker {
    /// Takes over partitions, within the callback. Waits for a database that is away: nothing could be stored anyhow.
    pub(crate) fn assigned<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        partitions: &TopicPartitionList,
    ) {
        let lanes = self.lanes_in(partitions);
        let offsets = self.wait_for_offsets(consumer, &lanes).unwrap_or_default();
        let list = self.list(&offsets);
        let result = list.and_then(|list| {
            match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_assign(&list)?,
                RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&list)?,
            }
            // a pause outlives an assignment, so say it either way
            if self.is_at_rest() {
                consumer.pause(&list)
            } else {
                consumer.resume(&list)
            }
        });
        if let Err(error) = result {
            self.failure = Some(anyhow!(error).context("taking over partitions"));
        }
        for (&lane, &offset) in &offsets {
            self.parts.pipeline.own(lane, offset);
        }
        // a former owner may have left some
        self.look_for_letters();
        telemetry::taken_over(offsets.len());
        tracing::info!(partitions = offsets.len(), "partitions taken over");
    }

    /// Gives partitions up, within the callback: stores what was read of them first, unless they are lost already.
    pub(crate) fn revoked<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        partitions: &TopicPartitionList,
    ) {
        if consumer.assignment_lost() {
            self.settle();
            self.forget();
        } else {
            self.finish(consumer);
        }
        let lanes = self.lanes_in(partitions);
        for &lane in &lanes {
            self.parts.pipeline.disown(lane);
            telemetry::given_up(lane, lane.topic.name(&self.parts.topics));
        }
        let topics = self.parts.topics.clone();
        self.held.retain(|message| {
            let topic = Topic::from_name(message.topic(), &topics);
            !lanes
                .iter()
                .any(|lane| Some(lane.topic) == topic && lane.partition == message.partition())
        });
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        if let Err(error) = result {
            self.failure = Some(anyhow!(error).context("giving partitions up"));
        }
        tracing::info!(partitions = lanes.len(), "partitions given up");
    }

    /// Reads every lane on from the database's offset. A seek is safe here, because each lane already reads from an
    /// absolute offset, and whatever was fetched before it is dropped.
    pub(crate) fn replace<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> Result<(), Trouble> {
        self.held.clear();
        let lanes: Vec<_> = self.parts.pipeline.lanes().map(|(lane, _)| lane).collect();
        let mut offsets = BTreeMap::new();
        if !lanes.is_empty() {
            offsets = self.offsets(consumer, &lanes)?;
            self.seek(consumer, &offsets)
                .map_err(|error| Trouble::Away(Need::Kafka, format!("{error:#}")))?;
        }
        self.parts.pipeline.replaced(offsets);
        Ok(())
    }

    /// Which lanes want an offset that the log does not have, and what can be done.
    pub(crate) fn out_of_range<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> String {
        let gone = |(lane, progress): (Lane, Progress)| {
            let topic = lane.topic.name(&self.parts.topics);
            let (first, end) = consumer
                .fetch_watermarks(topic, lane.partition, ANSWER_LIMIT)
                .ok()?;
            (progress.next < first || progress.next > end).then(|| {
                format!(
                    "{topic}[{}] wants {}, has {first} to {end}",
                    lane.partition, progress.next
                )
            })
        };
        let lanes: Vec<_> = self.parts.pipeline.lanes().filter_map(gone).collect();
        format!(
            "the log does not have the next offset in kafka_offsets: {}; records were removed before they were stored, \
             or the topic was made anew; set next_offset to where reading is to go on",
            lanes.join(", ")
        )
    }

    fn seek<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        offsets: &BTreeMap<Lane, i64>,
    ) -> anyhow::Result<()> {
        let sought = consumer.seek_partitions(self.list(offsets)?, ANSWER_LIMIT)?;
        for element in sought.elements() {
            element
                .error()
                .with_context(|| format!("seeking in {}[{}]", element.topic(), element.partition()))?;
        }
        Ok(())
    }

    /// The next offsets, however long it takes; none if the sink is to stop or cannot go on.
    fn wait_for_offsets<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        lanes: &[Lane],
    ) -> Option<BTreeMap<Lane, i64>> {
        if !self.settle() {
            return None;
        }
        for wait in waits() {
            match self.offsets(consumer, lanes) {
                Ok(offsets) => return Some(offsets),
                Err(Trouble::Final(error)) => {
                    self.failure = Some(error);
                    return None;
                }
                Err(Trouble::Away(need, why)) => {
                    tracing::warn!(
                        why,
                        retry_in_ms = wait.as_millis() as u64,
                        "waiting for the next offsets"
                    );
                    self.parts.health.not_ready(need, &why);
                }
            }
            let stop = self.parts.stop.cancelled();
            if self
                .parts
                .runtime
                .block_on(async { tokio::time::timeout(wait, stop).await.is_ok() })
            {
                return None;
            }
        }
        None
    }

    /// The next offset of each lane. One that the database has never seen begins where the log does.
    fn offsets<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        lanes: &[Lane],
    ) -> Result<BTreeMap<Lane, i64>, Trouble> {
        let offsets = self.errands.wait_for(async |store| store.offsets(lanes).await)?;
        let new: Vec<_> = lanes
            .iter()
            .filter(|lane| !offsets.contains_key(lane))
            .copied()
            .collect();
        if new.is_empty() {
            return Ok(offsets);
        }
        for lane in new {
            let topic = lane.topic.name(&self.parts.topics);
            let (first, _) = consumer
                .fetch_watermarks(topic, lane.partition, ANSWER_LIMIT)
                .map_err(|error| {
                    Trouble::Away(
                        Need::Kafka,
                        format!("the begin of {topic}[{}]: {error}", lane.partition),
                    )
                })?;
            self.errands
                .wait_for(async |store| store.enter(lane, first).await)?;
        }
        // somebody else may have been quicker
        Ok(self.errands.wait_for(async |store| store.offsets(lanes).await)?)
    }

    fn list(&self, offsets: &BTreeMap<Lane, i64>) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (lane, &offset) in offsets {
            let topic = lane.topic.name(&self.parts.topics);
            list.add_partition_offset(topic, lane.partition, Offset::Offset(offset))?;
        }
        Ok(list)
    }

    fn lanes_in(&self, partitions: &TopicPartitionList) -> Vec<Lane> {
        let lane_of = |(topic, partition): (String, i32)| {
            let topic = Topic::from_name(&topic, &self.parts.topics)?;
            Some(Lane { topic, partition })
        };
        let elements = partitions.elements();
        let named = elements
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()));
        named.filter_map(lane_of).collect()
    }
}
