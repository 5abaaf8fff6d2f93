//! Carries out what the state machine wants, for one stream thread.

use std::time::{Duration, Instant};

use platform::{HealthHandle, fail_point};
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::callbacks::Callbacks;
use super::clocks::Clocks;
use super::ledger::Ledger;
use super::metrics;
use super::outputs::Outputs;
use super::producer::TransactionalProducer;
use super::schemas::Schemas;
use crate::machine::{Answer, Effect, Handled, Hindrance, Machine, Output, Question, Record, Trouble};

/// How long a committed offset is waited for. Within a rebalance nothing else can be done meanwhile; outside one, the
/// group's other business is blocking the question.
const IN_REBALANCE: Duration = Duration::from_secs(2);
const IN_BETWEEN: Duration = Duration::from_millis(500);

/// How long a seek may take.
const SEEK: Duration = Duration::from_secs(2);

/// The member of the group whose callbacks come here.
pub(super) type GroupConsumer = BaseConsumer<Callbacks>;

/// Everything that can happen to a stream thread.
pub(super) enum Input<'a> {
    Record(Record<'a>),
    EndOfPartition(i32),
    /// A position is not in the log any more, nobody says whose.
    OffsetOutOfRange,
    Assigned(Vec<i32>),
    Revoked {
        partitions: Vec<i32>,
        lost: bool,
    },
    Tick,
    Stop,
    /// The consumer is of no use any more.
    Fatal(String),
}

/// The state machine of one thread, and what carries out its effects.
pub(super) struct Stream {
    pub(super) thread: u16,
    pub(super) readings: String,
    pub(super) machine: Machine,
    pub(super) producer: TransactionalProducer,
    pub(super) outputs: Outputs,
    pub(super) clocks: Clocks,
    pub(super) ledger: Ledger,
    pub(super) schemas: Schemas,
    pub(super) health: HealthHandle,
    pub(super) stop: CancellationToken,
    /// Why nothing more can be done.
    pub(super) failure: Option<String>,
    pub(super) hindrance: Option<String>,
    pub(super) commit_began: Instant,
    pub(super) in_rebalance: bool,
}

impl Stream {
    /// Deals with what has happened, completely.
    pub(super) fn handle(&mut self, input: Input<'_>, consumer: &GroupConsumer) {
        match input {
            Input::Record(record) => self.record(&record, consumer),
            Input::EndOfPartition(partition) => self.machine.end_of_partition(partition, Instant::now()),
            Input::OffsetOutOfRange => self.machine.positions_doubtful(),
            Input::Assigned(partitions) => self.assigned(partitions, consumer),
            Input::Revoked { partitions, lost } => self.revoked(partitions, lost, consumer),
            Input::Tick => self.tick(consumer),
            Input::Stop => self.machine.stop(),
            Input::Fatal(why) => self.failure = Some(why),
        }
        self.carry_out_all(consumer);
    }

    /// Whether a tick should not wait for its time.
    pub(super) const fn wants_tick(&self) -> bool {
        self.machine.wants_tick()
    }

    fn record(&mut self, record: &Record<'_>, consumer: &GroupConsumer) {
        while self.machine.record(record, &mut self.schemas) == Handled::OfferAgain {
            self.carry_out_all(consumer);
        }
    }

    fn assigned(&mut self, partitions: Vec<i32>, consumer: &GroupConsumer) {
        tracing::info!(thread = self.thread, ?partitions, "partitions assigned");
        self.in_rebalance = true;
        self.machine.assigned(partitions);
        self.carry_out_all(consumer);
        self.in_rebalance = false;
        self.tell_health();
    }

    fn revoked(&mut self, partitions: Vec<i32>, lost: bool, consumer: &GroupConsumer) {
        tracing::info!(thread = self.thread, ?partitions, lost, "partitions revoked");
        self.in_rebalance = true;
        self.machine.revoked(partitions, lost);
        self.carry_out_all(consumer);
        self.in_rebalance = false;
    }

    fn tick(&mut self, consumer: &GroupConsumer) {
        self.producer.poll();
        for schema in self.schemas.settled() {
            self.machine.schema_settled(schema);
        }
        self.machine.tick(Instant::now());
        self.carry_out_all(consumer);
        metrics::count(&self.machine.take_counts());
        metrics::open_windows(self.thread, self.machine.open_windows());
        self.tell_health();
    }

    fn carry_out_all(&mut self, consumer: &GroupConsumer) {
        while let Some(effect) = self.machine.next_effect() {
            if let Some(answer) = self.carry_out(effect, consumer) {
                self.log(&answer);
                self.machine.answer(answer, Instant::now());
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, consumer: &GroupConsumer) -> Option<Answer> {
        match effect {
            Effect::Begin => self.producer.begin(),
            Effect::Send { partition, output } => {
                if let Output::FarmWindow(closed) = &output {
                    self.clocks.take(partition, &closed.window);
                }
                self.outputs.send(&mut self.producer, partition, &output);
            }
            Effect::Assign(positions) => self.assign(&positions, consumer),
            Effect::Unassign(partitions) => self.unassign(&partitions, consumer),
            Effect::Fail(why) => self.failure = Some(why),
            Effect::Ask(question) => return Some(self.find_out(question, consumer)),
        }
        None
    }

    fn find_out(&mut self, question: Question, consumer: &GroupConsumer) -> Answer {
        match question {
            Question::Drain => self.drain(),
            Question::SendOffsets(points) => {
                done(self.producer.send_offsets(&self.readings, &points, consumer))
            }
            Question::Commit => self.commit(),
            Question::Abort => {
                metrics::aborted();
                done(self.producer.abort())
            }
            Question::Recreate => {
                metrics::recreated();
                done(self.producer.connect())
            }
            Question::ReadCommitted { partition } => self.committed(partition, consumer),
            Question::ReadCheckpoint { partition, offset } => self
                .ledger
                .checkpoint(partition, offset)
                .map_or_else(Answer::Failed, Answer::Checkpoint),
            Question::Seek { partition, offset } => done(self.seek(partition, offset, consumer)),
            Question::Resolve(schema) if self.schemas.resolve(schema) => Answer::Done,
            Question::Resolve(schema) => {
                Answer::Failed(Trouble::Retry(format!("schema id {schema} is not known yet")))
            }
        }
    }

    fn drain(&mut self) -> Answer {
        self.commit_began = Instant::now();
        fail_point::reach("before_drain");
        match self.producer.drain() {
            Ok(checkpoints) => Answer::Drained { checkpoints },
            Err(trouble) => Answer::Failed(trouble),
        }
    }

    fn commit(&self) -> Answer {
        let answer = done(self.producer.commit());
        if answer == Answer::Done {
            metrics::committed(self.commit_began.elapsed());
        }
        answer
    }

    fn committed(&self, partition: i32, consumer: &GroupConsumer) -> Answer {
        if self.stop.is_cancelled() {
            return Answer::Failed(Trouble::Abort("stopping".to_owned()));
        }
        fail_point::reach("before_restore");
        let limit = if self.in_rebalance {
            IN_REBALANCE
        } else {
            IN_BETWEEN
        };
        self.ledger
            .committed(consumer, partition, limit)
            .map_or_else(Answer::Failed, Answer::Committed)
    }

    fn assign(&mut self, positions: &[(i32, i64)], consumer: &GroupConsumer) {
        let partitions = positions.iter().map(|&(partition, _)| partition);
        consumer
            .context()
            .funnel
            .lead(consumer, &self.readings, partitions);
        let assigned = list(&self.readings, positions.iter().copied()).and_then(|list| {
            if is_cooperative(consumer) {
                consumer.incremental_assign(&list)
            } else {
                consumer.assign(&list)
            }
        });
        if let Err(error) = assigned {
            self.failure = Some(format!("partitions {positions:?} cannot be taken: {error}"));
        }
    }

    fn unassign(&mut self, partitions: &[i32], consumer: &GroupConsumer) {
        for &partition in partitions {
            metrics::lag(partition, 0); // whoever has it now tells how far behind it is
            self.clocks.forget(partition);
        }
        let unassigned = if is_cooperative(consumer) {
            list(&self.readings, partitions.iter().map(|&partition| (partition, 0)))
                .and_then(|list| consumer.incremental_unassign(&list))
        } else {
            consumer.unassign()
        };
        if let Err(error) = unassigned {
            self.failure = Some(format!("partitions {partitions:?} cannot be let go: {error}"));
        }
    }

    /// Safe only because the partition is reading from an absolute offset already: a look-up of a logical one that
    /// is still going on would win over the seek half a second later.
    fn seek(&self, partition: i32, offset: i64, consumer: &GroupConsumer) -> Result<(), Trouble> {
        let retry = |error: rdkafka::error::KafkaError| Trouble::Retry(format!("seek: {error}"));
        let wanted = list(&self.readings, [(partition, offset)]).map_err(retry)?;
        let sought = consumer.seek_partitions(wanted, SEEK).map_err(retry)?;
        sought
            .elements()
            .iter()
            .try_for_each(|element| element.error())
            .map_err(retry)
    }

    fn log(&self, answer: &Answer) {
        match answer {
            Answer::Failed(Trouble::Retry(why)) => tracing::debug!(thread = self.thread, why, "once more"),
            Answer::Failed(Trouble::Abort(why)) => tracing::warn!(thread = self.thread, why, "given up"),
            Answer::Failed(Trouble::Fenced(why)) => {
                tracing::warn!(thread = self.thread, why, "producer refused")
            }
            Answer::Done | Answer::Drained { .. } | Answer::Committed(_) | Answer::Checkpoint(_) => {}
        }
    }

    fn tell_health(&mut self) {
        let hindrances: Vec<String> = self
            .machine
            .hindrances()
            .map(|hindrance| words(&hindrance))
            .collect();
        let hindrance = (!hindrances.is_empty()).then(|| hindrances.join("; "));
        if self.hindrance != hindrance {
            match &hindrance {
                Some(why) => self.health.not_ready(why.clone()),
                None => self.health.ready(),
            }
            self.hindrance = hindrance;
        }
    }
}

fn words(hindrance: &Hindrance) -> String {
    match hindrance {
        Hindrance::NotJoined => "joining the group".to_owned(),
        Hindrance::Restoring(partition) => format!("restoring partition {partition}"),
        Hindrance::WaitingForSchema(partition, schema) => {
            format!("partition {partition} waits for schema id {schema}, which the registry does not tell")
        }
    }
}

fn done(result: Result<(), Trouble>) -> Answer {
    result.map_or_else(Answer::Failed, |()| Answer::Done)
}

fn is_cooperative(consumer: &GroupConsumer) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}

fn list(topic: &str, positions: impl IntoIterator<Item = (i32, i64)>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in positions {
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(list)
}
