//! What the aggregator has written: results and checkpoints, and which transactions they belong to.

use std::collections::BTreeMap;

use avro::PartitionCheckpoint;
use stream_aggregator::machine::Output;

/// A transaction of the aggregator.
pub type TransactionId = usize;

/// What has become of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

/// The topics that the aggregator writes.
#[derive(Debug, Default)]
pub struct Results {
    fates: Vec<Fate>,
    outputs: Vec<(TransactionId, i32, Output)>,
    checkpoints: BTreeMap<i32, Vec<Option<(TransactionId, PartitionCheckpoint)>>>,
}

impl Results {
    /// A new transaction.
    pub fn begin(&mut self) -> TransactionId {
        self.fates.push(Fate::Open);
        self.fates.len() - 1
    }

    /// Appends to the topic that it is for; a checkpoint's offset is returned.
    pub fn append(&mut self, transaction: TransactionId, partition: i32, output: Output) -> Option<i64> {
        if let Output::Checkpoint(checkpoint) = output {
            let log = self.checkpoints.entry(partition).or_default();
            log.push(Some((transaction, checkpoint)));
            return Some(log.len() as i64 - 1);
        }
        self.outputs.push((transaction, partition, output));
        None
    }

    /// Ends a transaction; each partition that it wrote a checkpoint to gets a marker.
    pub fn end(&mut self, transaction: TransactionId, commit: bool) {
        self.fates[transaction] = if commit { Fate::Committed } else { Fate::Aborted };
        for log in self.checkpoints.values_mut() {
            if log.iter().flatten().any(|(of, _)| *of == transaction) {
                log.push(None);
            }
        }
    }

    /// What readers of committed records see, with its partition.
    pub fn committed(&self) -> impl Iterator<Item = (i32, &Output)> {
        self.outputs
            .iter()
            .filter(|(transaction, ..)| self.fates[*transaction] == Fate::Committed)
            .map(|(_, partition, output)| (*partition, output))
    }

    /// The first checkpoint record from an offset on, committed or not.
    pub fn checkpoint_from(&self, partition: i32, offset: i64) -> Option<(i64, &PartitionCheckpoint)> {
        let log = self.checkpoints.get(&partition)?;
        (0..)
            .zip(log)
            .skip(usize::try_from(offset).ok()?)
            .find_map(|(offset, slot)| Some((offset, &slot.as_ref()?.1)))
    }

    /// The newest checkpoint record, committed or not.
    pub fn newest_checkpoint(&self, partition: i32) -> Option<&PartitionCheckpoint> {
        let log = self.checkpoints.get(&partition)?;
        log.iter()
            .rev()
            .flatten()
            .map(|(_, checkpoint)| checkpoint)
            .next()
    }

    /// The newest committed checkpoint record below the first one of a transaction that has not ended.
    pub fn newest_stable_checkpoint(&self, partition: i32) -> Option<&PartitionCheckpoint> {
        let log = self.checkpoints.get(&partition)?;
        let stable = log
            .iter()
            .flatten()
            .take_while(|(of, _)| self.fates[*of] != Fate::Open);
        stable
            .filter(|(of, _)| self.fates[*of] == Fate::Committed)
            .map(|(_, checkpoint)| checkpoint)
            .last()
    }

    /// Whether there is a committed checkpoint.
    pub fn has_checkpoint(&self, partition: i32) -> bool {
        self.checkpoints.get(&partition).is_some_and(|log| {
            log.iter()
                .flatten()
                .any(|(of, _)| self.fates[*of] == Fate::Committed)
        })
    }

    /// Removes all checkpoint records but the newest committed one and what comes after it.
    pub fn compact(&mut self, partition: i32) {
        let fates = &self.fates;
        let Some(log) = self.checkpoints.get_mut(&partition) else {
            return;
        };
        let is_committed = |slot: &Option<(TransactionId, PartitionCheckpoint)>| {
            slot.as_ref().is_some_and(|(of, _)| fates[*of] == Fate::Committed)
        };
        let open = log
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|(of, _)| fates[*of] == Fate::Open))
            .unwrap_or(log.len());
        if let Some(newest) = log[..open].iter().rposition(is_committed) {
            log[..newest].fill(None);
        }
    }

    /// Puts a checkpoint there as if somebody had committed it; its offset is returned.
    pub fn put_checkpoint(&mut self, partition: i32, checkpoint: PartitionCheckpoint) -> Option<i64> {
        let transaction = self.begin();
        let offset = self.append(transaction, partition, Output::Checkpoint(checkpoint));
        self.fates[transaction] = Fate::Committed;
        offset
    }

    /// Removes the topic of checkpoints and makes it anew.
    pub fn forget_checkpoints(&mut self) {
        self.checkpoints.clear();
    }
}
