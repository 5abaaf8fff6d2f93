//! The transactional producer within a process, as the client library keeps it.

use std::collections::BTreeSet;

use stream_aggregator::machine::{CommitPoint, Output, Trouble};

use crate::broker::{Broker, Claim, Membership};

/// Sends within transactions.
#[derive(Debug, Clone)]
pub struct Producer {
    claim: Claim,
    is_open: bool,
    /// The partitions that the open transaction has written for.
    sent_for: BTreeSet<i32>,
    /// Where its checkpoints lie.
    checkpoints: Vec<(i32, i64)>,
    failure: Option<Trouble>,
}

impl Producer {
    /// The new owner of an id.
    pub fn connect(broker: &mut Broker, id: &str) -> Self {
        Self {
            claim: broker.init_producer(id),
            is_open: false,
            sent_for: BTreeSet::new(),
            checkpoints: Vec::new(),
            failure: None,
        }
    }

    /// Begins a transaction; one that is open stays so.
    pub const fn begin(&mut self) {
        self.is_open = true;
    }

    /// Whether a transaction has begun.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Sends; whether it is acknowledged shows when the transaction is drained.
    pub fn send(&mut self, broker: &mut Broker, partition: i32, output: Output, is_lost: bool) {
        if !self.is_open {
            broker
                .violations
                .push(format!("partition {partition}: sends without a transaction"));
        }
        self.sent_for.insert(partition);
        if is_lost {
            let why = "a record was not acknowledged".to_owned();
            self.failure.get_or_insert(Trouble::Abort(why));
        }
        if self.failure.is_some() {
            return;
        }
        match broker.produce(&self.claim, partition, output) {
            Ok(checkpoint) => self
                .checkpoints
                .extend(checkpoint.map(|offset| (partition, offset))),
            Err(trouble) => self.failure = Some(trouble),
        }
    }

    /// Waits until all is acknowledged, and says where checkpoints lie.
    pub fn drain(&mut self) -> Result<Vec<(i32, i64)>, Trouble> {
        self.failure
            .take()
            .map_or_else(|| Ok(self.checkpoints.clone()), Err)
    }

    /// Where checkpoints lie, be they acknowledged or not.
    pub fn checkpoints(&self) -> Vec<(i32, i64)> {
        self.checkpoints.clone()
    }

    /// Offers offsets, which must be those of all that was sent for.
    pub fn send_offsets(
        &self,
        broker: &mut Broker,
        membership: &Membership,
        points: &[CommitPoint],
    ) -> Result<(), Trouble> {
        let offered: BTreeSet<i32> = points.iter().map(|point| point.partition).collect();
        if !self.sent_for.is_subset(&offered) {
            let sent_for = &self.sent_for;
            broker
                .violations
                .push(format!("sent for {sent_for:?}, offsets of {offered:?}"));
        }
        broker.send_offsets(&self.claim, membership, points)
    }

    /// Ends the transaction.
    pub fn end(&mut self, broker: &mut Broker, commit: bool) -> Result<(), Trouble> {
        broker.end_transaction(&self.claim, commit)?;
        self.is_open = false;
        self.sent_for.clear();
        self.checkpoints.clear();
        self.failure = None;
        Ok(())
    }
}
