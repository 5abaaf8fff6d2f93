//! One process of one stream thread: the real state machine, and round it the client as the real shell drives it,
//! one call at a time, so that it can die or freeze between any two.

use std::collections::{BTreeMap, VecDeque};

use stream_aggregator::machine::{
    Answer, CommitPoint, Effect, FoundCheckpoint, Handled, Machine, Output, Question, Record, Settings,
    Trouble,
};

use crate::broker::{Broker, Membership};
use crate::consumer::Consumer;
use crate::dice::Dice;
use crate::mistake::Mistake;
use crate::producer::Producer;
use crate::text::Texts;
use crate::time::{Ms, since_begin};

/// How long a pending offset is waited for within a rebalance, and outside one.
const IN_REBALANCE: Ms = 2_000;
const IN_BETWEEN: Ms = 500;

/// What happens to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A record was read.
    Record {
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
    /// A partition was read to its end.
    End(i32),
    /// Partitions are ours from now on.
    Assigned(Vec<i32>),
    /// Partitions are not ours any more.
    Revoked {
        /// Which.
        partitions: Vec<i32>,
        /// Whether somebody else may have them already.
        lost: bool,
    },
    /// A position is not in the log, nobody says whose.
    OutOfRange,
    /// The group is told what was let go.
    Rejoin,
    /// All is lost, and known to be.
    Forgotten,
    /// Time has passed.
    Tick,
    /// The program is to end.
    Stop,
    /// All partitions are given back.
    Unsubscribe,
    /// The group is left.
    Leave,
}

/// What is done to a process after so many more of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doom {
    /// It is gone at once.
    Dies,
    /// It sleeps for so long.
    Freezes(Ms),
}

/// A question, and what it will be answered with once.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Which question.
    pub applies: fn(&Question) -> bool,
    /// The answer.
    pub trouble: Trouble,
    /// Whether the broker has done it all the same.
    pub is_done: bool,
}

/// How the process and its way to the broker are.
#[derive(Debug, Clone)]
pub struct Traits {
    /// Its transactional id.
    pub id: String,
    /// Its name in the group, if that outlives a restart.
    pub instance: Option<String>,
    /// For the machine.
    pub settings: Settings,
    /// How long new records are on their way, at most.
    pub lag: Ms,
    /// How often, out of a hundred, a wanted position is overtaken by an old one.
    pub overtakings: i64,
    /// How often, out of a thousand, nothing comes of a partition for a while.
    pub stalls: i64,
    /// How often, out of a hundred, the registry does not answer at once.
    pub slow_registry: i64,
    /// How often, out of a thousand, a call takes seconds.
    pub slow_calls: i64,
    /// How often, out of a thousand, a record is not acknowledged.
    pub lost_records: i64,
    /// How often, out of a hundred, the newest checkpoint does not show at once.
    pub hidden_checkpoints: i64,
    /// What it does wrong.
    pub mistake: Option<Mistake>,
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    /// What decides.
    pub machine: Machine,
    /// What reads records.
    pub intake: Texts,
    /// The group's consumer.
    pub consumer: Consumer,
    /// What it ended with, if it could not go on.
    pub failed: Option<String>,
    /// What will be done to it.
    pub doom: Option<(u32, Doom)>,
    /// Answers that were made up beforehand.
    pub planned: Vec<Planned>,
    /// What was asked of the outside, in order.
    pub questions: Vec<Question>,
    traits: Traits,
    producer: Producer,
    todo: VecDeque<Input>,
    /// What the outside has answered, on its way to the machine.
    answer: Option<Answer>,
    /// What rebalance the machine is dealing with: whether partitions are taken, or let go.
    callback: Option<Callback>,
    /// The next offset of each partition that has not been offered yet.
    next: BTreeMap<i32, i64>,
    /// Until when a call takes.
    busy_until: Ms,
    frozen_until: Ms,
    is_gone: bool,
    is_stopping: bool,
    schemas_due: Vec<(Ms, u32)>,
    dice: Dice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    Assigned,
    Revoked,
}

impl Process {
    /// Connects, and will join the group.
    pub fn start(traits: Traits, broker: &mut Broker, mut dice: Dice) -> Self {
        broker.note(|| format!("{}: starts", traits.id));
        Self {
            machine: Machine::new(traits.settings.clone()),
            intake: Texts::default(),
            consumer: Consumer::new(&traits, dice.fork()),
            failed: None,
            doom: None,
            planned: Vec::new(),
            questions: Vec::new(),
            producer: Producer::connect(broker, &traits.id),
            traits,
            todo: VecDeque::new(),
            answer: None,
            callback: None,
            next: BTreeMap::new(),
            busy_until: broker.now + dice.between(20, 300),
            frozen_until: 0,
            is_gone: false,
            is_stopping: false,
            schemas_due: Vec::new(),
            dice,
        }
    }

    /// Goes on: what was begun, then one poll with all that comes of it, then a tick.
    pub fn step(&mut self, broker: &mut Broker, most: usize) {
        if self.is_gone || broker.now < self.frozen_until {
            return;
        }
        self.consumer
            .live(broker, self.callback.is_some(), !self.is_stopping);
        if !self.work(broker) || self.is_stopping {
            return;
        }
        self.todo = self.consumer.poll(broker, most);
        if self.traits.mistake == Some(Mistake::TimeRunsInBacklog) {
            self.todo
                .extend(self.consumer.assigned().into_iter().map(Input::End));
        }
        self.todo.push_back(Input::Tick);
        self.work(broker);
    }

    /// Lets something happen, and all that comes of it, however long that takes, unless it dies or falls asleep.
    pub fn happen(&mut self, input: Input, broker: &mut Broker) {
        self.todo.push_back(input);
        self.go_on(broker);
    }

    /// Does what was begun, however long that takes, unless it dies or falls asleep.
    pub fn go_on(&mut self, broker: &mut Broker) {
        while !self.work(broker) && !self.is_gone && !self.is_frozen(broker.now) {
            broker.tick(self.busy_until);
        }
    }

    /// Ends its sleep.
    pub fn wake(&mut self, now: Ms) {
        if self.is_frozen(now) {
            self.frozen_until = now;
            self.consumer.wake(now);
        }
    }

    /// Ends it as SIGTERM does.
    pub fn terminate(&mut self) {
        if !self.is_stopping {
            self.is_stopping = true;
            self.todo.extend([Input::Stop, Input::Unsubscribe, Input::Leave]);
        }
    }

    /// Ends it at once.
    pub const fn kill(&mut self) {
        self.is_gone = true;
    }

    /// Wakes it, and takes away what would be done to it.
    pub fn leave_alone(&mut self, now: Ms) {
        self.doom = None;
        self.wake(now);
        self.planned.clear();
        self.traits.slow_calls = 0;
        self.traits.lost_records = 0;
    }

    /// Whether it has ended.
    pub const fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether it sleeps.
    pub const fn is_frozen(&self, now: Ms) -> bool {
        now < self.frozen_until
    }

    /// Whether nothing is left of what has happened.
    fn work(&mut self, broker: &mut Broker) -> bool {
        loop {
            while self.is_able(broker.now) && self.act(broker) {}
            if !self.is_able(broker.now) {
                return false;
            }
            let Some(input) = self.todo.pop_front() else {
                return true;
            };
            self.take(input, broker);
        }
    }

    const fn is_able(&self, now: Ms) -> bool {
        !self.is_gone && now >= self.frozen_until && now >= self.busy_until
    }

    /// Does one thing that the machine wants; false if it wants nothing.
    fn act(&mut self, broker: &mut Broker) -> bool {
        if let Some(answer) = self.answer.take() {
            self.machine.answer(answer, broker.instant());
        } else if let Some(effect) = self.machine.next_effect() {
            self.carry_out(effect, broker);
        } else {
            self.callback = None;
            return false;
        }
        self.meet_doom(broker);
        true
    }

    fn meet_doom(&mut self, broker: &mut Broker) {
        let Some((left, doom)) = &mut self.doom else {
            return;
        };
        if *left > 0 {
            *left -= 1;
            return;
        }
        let doom = *doom;
        broker.note(|| format!("{}: {doom:?}", self.traits.id));
        match doom {
            Doom::Dies => self.is_gone = true,
            Doom::Freezes(time) => {
                self.frozen_until = broker.now + time;
                self.consumer.wake(self.frozen_until);
            }
        }
        self.doom = None;
    }

    fn take(&mut self, input: Input, broker: &mut Broker) {
        if !matches!(input, Input::Record { .. } | Input::Tick) {
            broker.note(|| format!("{}: {input:?}", self.traits.id));
        }
        match input {
            Input::Record { partition, offset } => self.record(partition, offset, broker),
            Input::End(partition) => self.machine.end_of_partition(partition, broker.instant()),
            Input::Assigned(partitions) => {
                self.callback = Some(Callback::Assigned);
                self.machine.assigned(partitions);
            }
            Input::Revoked { partitions, lost } => self.revoked(partitions, lost, broker),
            Input::Rejoin => self.rejoin(broker),
            Input::OutOfRange => self.machine.positions_doubtful(),
            Input::Forgotten => self.consumer.forgotten(),
            Input::Tick => self.tick(broker),
            Input::Stop => self.machine.stop(),
            Input::Unsubscribe => {
                let partitions = self.consumer.assigned().into_iter().collect();
                self.revoked(partitions, self.consumer.is_lost(), broker);
            }
            Input::Leave => {
                if let Some(member) = self.consumer.membership().member {
                    broker.group.leave(member, broker.now);
                }
                self.is_gone = true;
            }
        }
    }

    fn record(&mut self, partition: i32, offset: i64, broker: &Broker) {
        let Some(log) = broker.logs.get(&partition) else {
            return;
        };
        let Some(entry) = log.entry(offset) else { return };
        let mut seen_as = offset;
        if self.traits.mistake == Some(Mistake::TakesRedeliveries)
            && let Some(&next) = self.next.get(&partition)
            && offset < next
            && !log.shows(next)
        {
            seen_as = next; // an offset that no record has
        }
        let record = Record {
            partition,
            offset: seen_as,
            appended_at: entry.appended_at,
            key: None,
            payload: entry.text().map(str::as_bytes),
        };
        if self.machine.record(&record, &mut self.intake) == Handled::OfferAgain {
            self.todo.push_front(Input::Record { partition, offset });
        } else {
            let next = self.next.entry(partition).or_default();
            *next = (seen_as + 1).max(*next);
        }
    }

    fn revoked(&mut self, partitions: Vec<i32>, lost: bool, broker: &mut Broker) {
        self.callback = Some(Callback::Revoked);
        match self.traits.mistake {
            Some(Mistake::LetGoBeforeCommit) => {
                self.consumer.unassign(&partitions);
                self.rejoin(broker);
                self.busy_until = broker.now + self.dice.between(0, 2_000);
            }
            Some(Mistake::PauseSurvives) => self.consumer.pause(&partitions),
            Some(_) | None => {}
        }
        self.machine.revoked(partitions, lost);
    }

    fn rejoin(&self, broker: &mut Broker) {
        if let Some(member) = self.consumer.membership().member {
            broker.group.rejoin(member, self.consumer.assigned(), broker.now);
        }
    }

    fn tick(&mut self, broker: &Broker) {
        let now = broker.now;
        for (_, schema) in self.schemas_due.extract_if(.., |(due, _)| *due <= now) {
            self.intake.settled_schemas.push(schema);
            self.machine.schema_settled(schema);
        }
        self.machine.tick(broker.instant());
    }

    fn carry_out(&mut self, effect: Effect, broker: &mut Broker) {
        match effect {
            Effect::Begin => self.producer.begin(),
            Effect::Send { partition, output } => {
                broker.note(|| format!("{}: sends {}", self.traits.id, short(&output)));
                let is_lost = self.dice.permille(self.traits.lost_records);
                self.producer.send(broker, partition, output, is_lost);
            }
            Effect::Assign(positions) => {
                self.next.extend(positions.iter().copied());
                self.consumer.assign(&positions, broker);
            }
            Effect::Unassign(partitions) => self.consumer.unassign(&partitions),
            Effect::Fail(why) => self.fail(why, broker),
            Effect::Ask(question) => {
                self.questions.push(question.clone());
                let asked = broker.journal.is_some().then(|| question.clone());
                let answer = self.find_out(question, broker);
                broker.note(|| format!("{}: {asked:?} -> {answer:?}", self.traits.id));
                self.answer = Some(answer);
                if self.dice.permille(self.traits.slow_calls) {
                    self.busy_until = broker.now + self.dice.between(200, 6_000);
                }
            }
        }
    }

    /// Ends as the real one does: with its reason, leaving the group.
    fn fail(&mut self, why: String, broker: &mut Broker) {
        broker.note(|| format!("{}: fails: {why}", self.traits.id));
        self.failed = Some(why);
        self.is_gone = true;
        if let Some(member) = self.consumer.membership().member {
            broker.group.leave(member, broker.now);
        }
    }

    fn find_out(&mut self, question: Question, broker: &mut Broker) -> Answer {
        if let Some(place) = self
            .planned
            .iter()
            .position(|planned| (planned.applies)(&question))
        {
            let planned = self.planned.remove(place);
            if planned.is_done {
                self.ask(question, broker);
            }
            return Answer::Failed(planned.trouble);
        }
        self.ask(question, broker)
    }

    fn ask(&mut self, question: Question, broker: &mut Broker) -> Answer {
        if self.pretends() {
            if question == Question::Drain {
                let checkpoints = self.producer.checkpoints();
                return Answer::Drained { checkpoints };
            }
            if matches!(question, Question::SendOffsets(_) | Question::Commit) {
                return Answer::Done;
            }
        }
        match question {
            Question::Drain => self.drain(),
            Question::SendOffsets(points) => self.send_offsets(points, broker),
            Question::Commit => done(self.producer.end(broker, true)),
            Question::Abort => done(self.producer.end(broker, false)),
            Question::Recreate => {
                self.producer = Producer::connect(broker, &self.traits.id);
                Answer::Done
            }
            Question::ReadCommitted { partition } => self.read_committed(partition, broker),
            Question::ReadCheckpoint { partition, offset } => self.read_checkpoint(partition, offset, broker),
            Question::Seek { partition, offset } => self.seek(partition, offset, broker),
            Question::Resolve(schema) => self.resolve(schema, broker),
        }
    }

    /// Whether the machine is told of a commit that is none.
    fn pretends(&self) -> bool {
        match self.traits.mistake {
            Some(Mistake::NoCommitAtRevoke) => self.callback == Some(Callback::Revoked),
            Some(Mistake::WaitsWithTransactionOpen) => self.callback == Some(Callback::Assigned),
            Some(_) | None => false,
        }
    }

    fn drain(&mut self) -> Answer {
        match self.producer.drain() {
            Ok(checkpoints) => Answer::Drained { checkpoints },
            Err(Trouble::Abort(_)) if self.traits.mistake == Some(Mistake::IgnoresDeliveries) => {
                Answer::Drained {
                    checkpoints: self.producer.checkpoints(),
                }
            }
            Err(trouble) => Answer::Failed(trouble),
        }
    }

    fn send_offsets(&mut self, points: Vec<CommitPoint>, broker: &mut Broker) -> Answer {
        let points = self.twist(points, broker);
        let mistake = self.traits.mistake;
        match mistake {
            Some(Mistake::NoOffsets) => return Answer::Done,
            Some(Mistake::OffsetsBeside) => {
                broker.commit_offsets(&points);
                return Answer::Done;
            }
            Some(_) | None => {}
        }
        let membership = if mistake == Some(Mistake::NoFence) {
            Membership::NONE
        } else {
            self.consumer.membership()
        };
        if self.consumer.is_lost() && mistake != Some(Mistake::NotLookingWhetherLost) {
            return Answer::Failed(Trouble::Abort("the partitions are lost".to_owned()));
        }
        match self.producer.send_offsets(broker, &membership, &points) {
            Err(Trouble::Abort(_)) if mistake == Some(Mistake::IgnoresRefusals) => {
                done(self.producer.end(broker, false).map(|()| self.producer.begin()))
            }
            outcome => done(outcome),
        }
    }

    /// Makes offsets wrong.
    fn twist(&self, mut points: Vec<CommitPoint>, broker: &Broker) -> Vec<CommitPoint> {
        match self.traits.mistake {
            Some(Mistake::NoCheckpoint) => points
                .iter_mut()
                .for_each(|point| point.metadata.checkpoint = None),
            Some(Mistake::PositionAsOffset) => {
                points
                    .iter_mut()
                    .for_each(|point| point.offset = point.metadata.processed);
            }
            Some(Mistake::ForgetsProcessed) => {
                points
                    .iter_mut()
                    .for_each(|point| point.metadata.processed = point.offset);
            }
            Some(Mistake::OffsetsOfOnePartition) => points.truncate(1),
            Some(Mistake::OffsetsThatMoved) => points.retain(|point| {
                let before = broker.committed.get(&point.partition);
                before.is_none_or(|(offset, _)| *offset != point.offset)
            }),
            Some(Mistake::RejectedDoNotCount) => {
                points.iter_mut().for_each(|point| skip_rejected(point, broker));
            }
            Some(_) | None => {}
        }
        points
    }

    fn read_committed(&mut self, partition: i32, broker: &mut Broker) -> Answer {
        self.see_that_nothing_is_open(partition, broker);
        if self.is_stopping {
            return Answer::Failed(Trouble::Abort("stopping".to_owned()));
        }
        if self.traits.mistake == Some(Mistake::UnstableOffset) {
            return Answer::Committed(broker.fetch_unstable_offset(partition));
        }
        match broker.fetch_offset(partition) {
            Ok(committed) => Answer::Committed(committed),
            Err(trouble) => {
                let patience = if self.callback.is_some() {
                    IN_REBALANCE
                } else {
                    IN_BETWEEN
                };
                self.busy_until = broker.now + patience;
                Answer::Failed(trouble)
            }
        }
    }

    fn read_checkpoint(&mut self, partition: i32, offset: i64, broker: &mut Broker) -> Answer {
        self.see_that_nothing_is_open(partition, broker);
        if self.dice.percent(self.traits.hidden_checkpoints) {
            return Answer::Checkpoint(None);
        }
        let results = &broker.results;
        let found = match self.traits.mistake {
            Some(Mistake::StableCheckpoint) => results
                .newest_stable_checkpoint(partition)
                .map(|found| (offset, found)),
            Some(Mistake::NewestCheckpoint) => {
                results.newest_checkpoint(partition).map(|found| (offset, found))
            }
            Some(_) | None => results.checkpoint_from(partition, offset),
        };
        Answer::Checkpoint(found.map(|(offset, checkpoint)| {
            Box::new(FoundCheckpoint {
                offset,
                checkpoint: checkpoint.clone(),
            })
        }))
    }

    fn seek(&mut self, partition: i32, offset: i64, broker: &mut Broker) -> Answer {
        self.see_that_nothing_is_open(partition, broker);
        if self.traits.mistake != Some(Mistake::NoSeek) {
            self.next.insert(partition, offset);
            self.consumer.seek(partition, offset, broker);
            self.todo
                .retain(|input| !matches!(input, Input::Record { partition: of, .. } if *of == partition));
        }
        Answer::Done
    }

    fn resolve(&mut self, schema: u32, broker: &mut Broker) -> Answer {
        self.see_that_nothing_is_open(-1, broker);
        if !self.dice.percent(self.traits.slow_registry) {
            self.intake.settled_schemas.push(schema);
            return Answer::Done;
        }
        self.schemas_due
            .push((broker.now + self.dice.below(5_000), schema));
        Answer::Failed(Trouble::Retry("the registry does not answer".to_owned()))
    }

    fn see_that_nothing_is_open(&self, partition: i32, broker: &mut Broker) {
        if self.producer.is_open() {
            broker
                .violations
                .push(format!("partition {partition}: waits with a transaction open"));
        }
    }
}

/// Moves an offset on over readings that were refused.
fn skip_rejected(point: &mut CommitPoint, broker: &Broker) {
    let Some(log) = broker.logs.get(&point.partition) else {
        return;
    };
    let is_refused = |offset: i64| match log.entry(offset).map(|entry| entry.text()) {
        Some(Some(text)) => text.ends_with("NaN"),
        Some(None) => true,
        None => false,
    };
    while point.offset < point.metadata.processed && is_refused(point.offset) {
        point.offset += 1;
    }
}

fn done(outcome: Result<(), Trouble>) -> Answer {
    outcome.map_or_else(Answer::Failed, |()| Answer::Done)
}

/// A result in a few words.
pub fn short(output: &Output) -> String {
    match output {
        Output::FarmWindow(closed) => {
            let window = &closed.window;
            let (from, until) = (since_begin(window.window_start), since_begin(window.window_end));
            let (farm, readings, reason) = (
                &window.farm_id,
                window.reading_count,
                closed.close_reason.as_str(),
            );
            format!("{farm} from {from} to {until}: {readings} by {reason}")
        }
        Output::TurbineWindow(closed) => {
            let from = since_begin(closed.window.window.window_start);
            format!(
                "{}/{} from {from}",
                closed.window.window.farm_id, closed.window.turbine_id
            )
        }
        Output::Late { by_ms, original, .. } => format!("{} late by {by_ms}", original.offset),
        Output::DeadLetter { original, .. } => format!("{} refused", original.offset),
        Output::Checkpoint(checkpoint) => format!("a checkpoint of {} farms", checkpoint.farms.len()),
    }
}
