//! A Kafka small enough to be seen through: it appends, remembers, refuses and forgets as the real one does, but only
//! what a stream-aggregator can notice of it.

mod group;
mod log;
mod results;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::Timestamp;
use stream_aggregator::machine::{CommitPoint, Committed, Output, Trouble};

pub use group::{Assignment, Group, Heartbeat, MemberId, Membership, Protocol};
pub use log::{Entry, Log};
pub use results::{Results, TransactionId};

use crate::dice::Dice;
use crate::time::Ms;

/// A producer's claim to be the one of its transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The transactional id.
    pub id: String,
    /// How many have had it before.
    pub epoch: u32,
}

/// The cluster, and whatever is noticed of those who use it wrongly.
#[derive(Debug)]
pub struct Broker {
    /// Now.
    pub now: Ms,
    /// The readings, by partition.
    pub logs: BTreeMap<i32, Log>,
    /// What the aggregator has written.
    pub results: Results,
    /// Who has which partitions.
    pub group: Group,
    /// The group's offsets, with their metadata.
    pub committed: BTreeMap<i32, (i64, String)>,
    /// Transactions committed.
    pub commits: u32,
    /// What no aggregator may do.
    pub violations: Vec<String>,
    /// What has happened, if it is wanted, with its time.
    pub journal: Option<Vec<(Ms, String)>>,
    /// How long after a commit its markers are written at most.
    pub marker_delay: Ms,
    /// What the clocks of programs say at the beginning; only distances to it matter.
    begin: Instant,
    producers: BTreeMap<String, Producer>,
    /// Decided, and not yet visible.
    ending: Vec<Ending>,
    transaction_timeout: Ms,
    dice: Dice,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    transaction: TransactionId,
    /// When the broker's patience ends.
    until: Ms,
    offsets: BTreeMap<i32, (i64, String)>,
}

#[derive(Debug)]
struct Ending {
    id: String,
    open: Open,
    commit: bool,
    at: Ms,
}

impl Broker {
    /// With empty logs.
    pub fn new(group: Group, partitions: &BTreeSet<i32>, transaction_timeout: Ms, dice: Dice) -> Self {
        Self {
            now: 0,
            logs: partitions
                .iter()
                .map(|&partition| (partition, Log::default()))
                .collect(),
            results: Results::default(),
            group,
            committed: BTreeMap::new(),
            commits: 0,
            violations: Vec::new(),
            journal: None,
            marker_delay: 0,
            begin: Instant::now(),
            producers: BTreeMap::new(),
            ending: Vec::new(),
            transaction_timeout,
            dice,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Ms) {
        self.now = now;
        self.group.tick(now);
        let mut timed_out = Vec::new();
        for producer in self.producers.values_mut() {
            if producer.open.as_ref().is_some_and(|open| open.until <= now)
                && let Some(open) = producer.open.take()
            {
                producer.epoch += 1;
                self.results.end(open.transaction, false);
                timed_out.push(open.transaction);
            }
        }
        for transaction in timed_out {
            self.note(|| format!("broker: transaction {transaction} has taken too long"));
        }
        while let Some(place) = self.ending.iter().position(|ending| ending.at <= now) {
            self.finish(place);
        }
    }

    /// The broker's clock.
    pub const fn clock(&self) -> Timestamp {
        crate::time::at(self.now)
    }

    /// What the clock of a program says.
    pub fn instant(&self) -> Instant {
        self.begin + Duration::from_millis(self.now as u64)
    }

    /// Writes down what has happened, if somebody wants to know.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(journal) = &mut self.journal {
            journal.push((now, what()));
        }
    }

    /// A new owner of a transactional id: whatever the former one has left open is aborted.
    pub fn init_producer(&mut self, id: &str) -> Claim {
        self.wait_for_ending(id);
        let producer = self.producers.entry(id.to_owned()).or_default();
        producer.epoch += 1;
        let epoch = producer.epoch;
        if let Some(open) = producer.open.take() {
            self.results.end(open.transaction, false);
        }
        Claim {
            id: id.to_owned(),
            epoch,
        }
    }

    /// Appends within a transaction; a checkpoint's offset is returned.
    ///
    /// # Errors
    /// [`Trouble::Fenced`] when the id has another owner.
    pub fn produce(&mut self, claim: &Claim, partition: i32, output: Output) -> Result<Option<i64>, Trouble> {
        let transaction = self.open(claim)?.transaction;
        Ok(self.results.append(transaction, partition, output))
    }

    /// Puts offsets into a transaction, if the group knows who that is.
    ///
    /// # Errors
    /// [`Trouble::Fenced`] when the id has another owner, [`Trouble::Abort`] when the group knows better.
    pub fn send_offsets(
        &mut self,
        claim: &Claim,
        membership: &Membership,
        points: &[CommitPoint],
    ) -> Result<(), Trouble> {
        let partitions = points.iter().map(|point| point.partition).collect();
        self.open(claim)?;
        self.group
            .check(membership, &partitions)
            .map_err(|why| Trouble::Abort(why.to_owned()))?;
        let offsets = points.iter().map(|point| (point.partition, told(point)));
        self.open(claim)?.offsets.extend(offsets);
        Ok(())
    }

    /// Ends a transaction. That shows when its markers are written, which nothing can stop any more.
    ///
    /// # Errors
    /// [`Trouble::Fenced`] when the id has another owner.
    pub fn end_transaction(&mut self, claim: &Claim, commit: bool) -> Result<(), Trouble> {
        let at = self.now + self.dice.below(self.marker_delay + 1);
        let Some(open) = self.producer(claim)?.open.take() else {
            return Ok(());
        };
        let id = claim.id.clone();
        self.ending.push(Ending { id, open, commit, at });
        if at <= self.now {
            self.finish(self.ending.len() - 1);
        }
        Ok(())
    }

    /// What the group has committed of a partition.
    ///
    /// # Errors
    /// [`Trouble::Retry`] while that may still change by itself.
    pub fn fetch_offset(&self, partition: i32) -> Result<Committed, Trouble> {
        let open = self
            .producers
            .values()
            .filter_map(|producer| producer.open.as_ref());
        let ending = self.ending.iter().map(|ending| &ending.open);
        if open
            .chain(ending)
            .any(|open| open.offsets.contains_key(&partition))
        {
            return Err(Trouble::Retry(
                "a transaction with its offset is pending".to_owned(),
            ));
        }
        Ok(self.fetch_unstable_offset(partition))
    }

    /// The same, whatever is pending.
    pub fn fetch_unstable_offset(&self, partition: i32) -> Committed {
        let log = self.logs.get(&partition);
        Committed {
            offset: self.committed.get(&partition).cloned(),
            log_start: log.map_or(0, Log::start),
            log_end: log.map_or(0, Log::end),
            has_checkpoint: Ok(self.results.has_checkpoint(partition)),
        }
    }

    /// Commits offsets of no transaction, as a consumer would.
    pub fn commit_offsets(&mut self, points: &[CommitPoint]) {
        self.committed
            .extend(points.iter().map(|point| (point.partition, told(point))));
    }

    /// Whether no transaction is open or not yet visible.
    pub fn is_calm(&self) -> bool {
        self.ending.is_empty() && self.producers.values().all(|producer| producer.open.is_none())
    }

    fn producer(&mut self, claim: &Claim) -> Result<&mut Producer, Trouble> {
        self.producers
            .get_mut(&claim.id)
            .filter(|producer| producer.epoch == claim.epoch)
            .ok_or_else(|| Trouble::Fenced("there is a newer producer with that id".to_owned()))
    }

    /// The open transaction, which begins with the first thing that is put into it.
    fn open(&mut self, claim: &Claim) -> Result<&mut Open, Trouble> {
        self.wait_for_ending(&claim.id);
        // the broker looks at its clock now and then only
        let until = self.now + self.transaction_timeout + self.dice.below(1_000);
        self.producer(claim)?;
        let results = &mut self.results;
        let producer = self.producers.entry(claim.id.clone()).or_default();
        Ok(producer.open.get_or_insert_with(|| Open {
            transaction: results.begin(),
            until,
            offsets: BTreeMap::new(),
        }))
    }

    /// One transaction of an id after the other.
    fn wait_for_ending(&mut self, id: &str) {
        while let Some(place) = self.ending.iter().position(|ending| ending.id == id) {
            self.finish(place);
        }
    }

    fn finish(&mut self, place: usize) {
        let Ending { open, commit, id, .. } = self.ending.remove(place);
        self.results.end(open.transaction, commit);
        self.note(|| {
            let (transaction, offsets) = (open.transaction, &open.offsets);
            format!("broker: transaction {transaction} of {id} ends, commit {commit}, {offsets:?}")
        });
        if commit {
            self.commits += 1;
            for (partition, offset) in open.offsets {
                self.see_to_progress(partition, &offset);
                self.committed.insert(partition, offset);
            }
        }
    }

    /// Nothing that was processed may be processed again.
    fn see_to_progress(&mut self, partition: i32, (offset, metadata): &(i64, String)) {
        let processed = |metadata: &str| {
            metadata
                .parse()
                .map(|metadata: stream_aggregator::machine::Metadata| metadata.processed)
                .unwrap_or_default()
        };
        if let Some((_, before)) = self.committed.get(&partition)
            && processed(before) > processed(metadata)
        {
            self.violations.push(format!(
                "partition {partition}: committed {offset} with {metadata} after {before}"
            ));
        }
    }
}

fn told(point: &CommitPoint) -> (i64, String) {
    (point.offset, point.metadata.to_string())
}
