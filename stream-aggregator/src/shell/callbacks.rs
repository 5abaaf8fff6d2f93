//! What the group's consumer tells from within `poll`: rebalances, errors, statistics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use platform::HealthHandle;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

use crate::args::GroupProtocol;

use super::metrics;
use super::queues::Funnel;
use super::stream::{Input, Stream};

/// The stream of one thread, where its consumer's callbacks find it. They run inside `poll`, on the same thread.
pub(super) struct Callbacks {
    stream: Mutex<Stream>,
    readings: String,
    kafka: HealthHandle,
    protocol: GroupProtocol,
    pub(super) funnel: Funnel,
}

/// For how long the group's coordinator must have been there for a member that is told of no partitions to have none,
/// milliseconds.
const TOLD_OF_NONE_MS: i64 = 3_000;

impl Callbacks {
    /// To be called by the stream's thread.
    pub(super) fn new(stream: Stream, kafka: HealthHandle, protocol: GroupProtocol) -> Self {
        Self {
            readings: stream.readings.clone(),
            stream: Mutex::new(stream),
            kafka,
            protocol,
            funnel: Funnel::of_this_thread(),
        }
    }

    /// Never to be held while `poll` is called: a rebalance in it wants it, too.
    pub(super) fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for Callbacks {
    /// Partitions are answered for here and nowhere else: an assignment from outside is taken for the answer to
    /// whatever rebalance is pending just then.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.kafka.ready(); // nobody else could have told of it
        let partitions = list
            .elements()
            .iter()
            .map(|element| element.partition())
            .collect();
        let input = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Input::Assigned(partitions)
        } else {
            Input::Revoked {
                partitions,
                lost: consumer.assignment_lost(),
            }
        };
        self.stream().handle(input, consumer);
    }
}

impl ClientContext for Callbacks {
    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error, KafkaError::PartitionEOF(_))
            || error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF)
        {
            return; // no error, but told as one
        }
        log_client_error("consumer", &error, reason);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.kafka.not_ready(reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        if statistics.brokers.values().any(|broker| broker.state == "UP") {
            self.kafka.ready();
        }
        if let Some(group) = &statistics.cgrp
            && self.protocol == GroupProtocol::Consumer
            && (group.state == "up" && group.join_state == "init" && group.stateage >= TOLD_OF_NONE_MS)
        {
            // the broker's own protocol calls nobody back for whom it has no partitions
            self.stream().machine.joined();
        }
        let Some(topic) = statistics.topics.get(&self.readings) else {
            return;
        };
        for (&partition, state) in &topic.partitions {
            // what was never read or fetched has negative numbers
            if state.app_offset >= 0 && state.ls_offset >= 0 {
                metrics::lag(partition, (state.ls_offset - state.app_offset).max(0));
            }
        }
    }
}

/// Each lost connection is told several times a second, and librdkafka's own log says it with restraint.
pub(super) fn log_client_error(client: &str, error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
            tracing::debug!(client, %error, reason, "kafka client");
        }
        Some(_) | None => tracing::warn!(client, %error, reason, "kafka client"),
    }
}
