//! Taking partitions up where whoever had them last has committed them.

use avro::PartitionCheckpoint;

use super::effect::{Answer, Committed, Effect, Question, Trouble};
use super::partition::Partition;
use super::tries::{CHECKPOINT_TRIES, POSITION_TRIES};
use super::{Machine, Metadata, Slot, Step};

/// Partitions being taken up, one after the other.
#[derive(Debug)]
pub(super) struct Recovery {
    /// Still to be taken up; the last one is at work.
    left: Vec<i32>,
    stage: Stage,
    /// Partitions that a rebalance has given us and waits to have assigned, with their positions so far; none when
    /// they are assigned already and must be sought.
    assigning: Option<Vec<(i32, i64)>>,
}

#[derive(Debug)]
enum Stage {
    ReadCommitted,
    ReadCheckpoint { position: i64, metadata: Metadata },
    Seek(Box<Partition>),
}

impl Recovery {
    /// Of partitions that are ours already.
    pub(super) const fn in_place(partitions: Vec<i32>) -> Self {
        Self {
            left: partitions,
            stage: Stage::ReadCommitted,
            assigning: None,
        }
    }

    /// Of partitions that a rebalance gives us.
    pub(super) fn of_assignment(partitions: Vec<i32>) -> Self {
        Self {
            assigning: Some(Vec::with_capacity(partitions.len())),
            ..Self::in_place(partitions)
        }
    }
}

impl Machine {
    /// Goes on with the next partition.
    pub(super) fn recover_next(&mut self, mut recovery: Recovery) {
        match recovery.left.last() {
            Some(&partition) => {
                recovery.stage = Stage::ReadCommitted;
                self.ask(Step::Recover(recovery), Question::ReadCommitted { partition });
            }
            None => self.effects.extend(recovery.assigning.map(Effect::Assign)),
        }
    }

    pub(super) fn recover(&mut self, mut recovery: Recovery, answer: Answer) {
        let Some(&partition) = recovery.left.last() else {
            return;
        };
        match (
            std::mem::replace(&mut recovery.stage, Stage::ReadCommitted),
            answer,
        ) {
            (Stage::ReadCommitted, Answer::Committed(committed)) => {
                self.restore(recovery, partition, &committed)
            }
            (Stage::ReadCheckpoint { position, metadata }, Answer::Checkpoint(Some(found)))
                if Some(found.offset) == metadata.checkpoint && found.checkpoint.partition == partition =>
            {
                self.place(recovery, partition, position, Some(metadata), found.checkpoint);
            }
            (Stage::ReadCheckpoint { metadata, .. }, Answer::Checkpoint(_)) => {
                let what = format!(
                    "its checkpoint is not at offset {} of the topic of checkpoints, where the committed offset says it is",
                    metadata.checkpoint.unwrap_or(-1)
                );
                self.checkpoint_missed(recovery, partition, &what, true);
            }
            (Stage::ReadCheckpoint { metadata, .. }, Answer::Failed(Trouble::Retry(why))) => {
                let what = format!(
                    "its checkpoint cannot be read at offset {} of the topic of checkpoints: {why}",
                    metadata.checkpoint.unwrap_or(-1)
                );
                self.checkpoint_missed(recovery, partition, &what, false);
            }
            (Stage::Seek(running), Answer::Failed(Trouble::Retry(why))) => {
                self.not_sought(recovery, partition, running.position(), &why);
            }
            (Stage::Seek(running), Answer::Done) => {
                self.slots.insert(partition, Slot::Running(running));
                recovery.left.pop();
                self.recover_next(recovery);
            }
            // a rebalance cannot go on without it; partitions that are ours already can wait for the next tick
            (_, Answer::Failed(Trouble::Retry(_))) if recovery.assigning.is_some() => {
                self.recover_next(recovery)
            }
            (_, _) => self.give_up(recovery),
        }
    }

    fn restore(&mut self, mut recovery: Recovery, partition: i32, committed: &Committed) {
        if let (None, Err(why)) = (&committed.offset, &committed.has_checkpoint) {
            let what = format!("whether the topic of checkpoints has one cannot be found out: {why}");
            return self.checkpoint_missed(recovery, partition, &what, false);
        }
        let (position, metadata) = match start_of(partition, committed) {
            Ok(start) => start,
            Err(why) => return self.give_up_for_good(recovery, why),
        };
        if let Some(metadata) = metadata
            && let Some(offset) = metadata.checkpoint
        {
            recovery.stage = Stage::ReadCheckpoint { position, metadata };
            self.ask(
                Step::Recover(recovery),
                Question::ReadCheckpoint { partition, offset },
            );
        } else {
            let nothing = PartitionCheckpoint {
                partition,
                farms: Vec::new(),
            };
            self.place(recovery, partition, position, metadata, nothing);
        }
    }

    /// Everything is known: the partition is read from `position` on.
    fn place(
        &mut self,
        mut recovery: Recovery,
        partition: i32,
        position: i64,
        metadata: Option<Metadata>,
        checkpoint: PartitionCheckpoint,
    ) {
        let running = Partition::restore(self.settings.windows, partition, position, metadata, checkpoint);
        self.counts.restored += 1;
        if let Some(tries) = self.tries.get_mut(&partition) {
            tries.checkpoint = 0;
        }
        if let Some(positions) = &mut recovery.assigning {
            positions.push((partition, position));
            self.slots.insert(partition, Slot::Running(Box::new(running)));
            recovery.left.pop();
            self.recover_next(recovery);
        } else {
            recovery.stage = Stage::Seek(Box::new(running));
            self.ask(
                Step::Recover(recovery),
                Question::Seek {
                    partition,
                    offset: position,
                },
            );
        }
    }

    /// Looks for it again, unless that has been done often enough: soon if the topic was `read`, else when we would.
    fn checkpoint_missed(&mut self, recovery: Recovery, partition: i32, what: &str, read: bool) {
        let tries = self.tries.entry(partition).or_default();
        tries.checkpoint += 1;
        if tries.checkpoint >= CHECKPOINT_TRIES {
            let why = format!(
                "partition {partition}: {what}; if that topic was deleted, stop every stream-aggregator of this group \
                 and reset the partition's offset (kafka-consumer-groups --reset-offsets), which computes and sends \
                 windows anew from there"
            );
            self.give_up_for_good(recovery, why);
        } else if read || recovery.assigning.is_some() {
            self.recover_next(recovery);
        } else {
            self.give_up(recovery);
        }
    }

    fn not_sought(&mut self, recovery: Recovery, partition: i32, offset: i64, why: &str) {
        if self.tried_in_vain(partition) {
            let topic = &self.settings.topic;
            let why = format!(
                "topic {topic}, partition {partition}: it cannot be read from offset {offset} on, after \
                 {POSITION_TRIES} tries: {why}"
            );
            self.give_up_for_good(recovery, why);
        } else {
            self.give_up(recovery);
        }
    }

    /// Reads every partition back, unless that has been done often enough and nothing came of it.
    pub(super) fn doubt(&mut self) {
        let running: Vec<_> = self
            .running()
            .map(|(number, partition)| (number, partition.position()))
            .collect();
        self.forget();
        let in_vain: Vec<_> = running
            .into_iter()
            .filter(|(number, _)| self.tried_in_vain(*number))
            .map(|(number, offset)| format!("partition {number} at offset {offset}"))
            .collect();
        if !in_vain.is_empty() {
            self.fail(format!(
                "topic {}: the broker says that a position is not in the log, after {POSITION_TRIES} tries with the \
                 committed offsets, which are: {}",
                self.settings.topic,
                in_vain.join(", ")
            ));
        }
    }

    /// Whether this try to read a partition from its committed offset was the last one.
    fn tried_in_vain(&mut self, partition: i32) -> bool {
        let tries = self.tries.entry(partition).or_default();
        tries.position += 1;
        tries.position >= POSITION_TRIES
    }

    /// Leaves what is left for the next tick. A rebalance must be answered all the same: with an absolute offset,
    /// whose records are dropped until the partition has been read back and sought.
    fn give_up(&mut self, recovery: Recovery) {
        if let Some(mut positions) = recovery.assigning {
            for &partition in &recovery.left {
                positions.push((partition, 0));
                self.slots.insert(partition, Slot::Stale);
            }
            self.effects.push_back(Effect::Assign(positions));
        }
    }

    fn give_up_for_good(&mut self, recovery: Recovery, why: String) {
        self.give_up(recovery);
        self.fail(why);
    }
}

/// Where to read from, and what is known of what has been processed.
fn start_of(partition: i32, committed: &Committed) -> Result<(i64, Option<Metadata>), String> {
    let Some((offset, metadata)) = &committed.offset else {
        return if committed.has_checkpoint == Ok(true) {
            Err(format!(
                "partition {partition}: the group's committed offset is gone (it expires when a group has been away \
                 for longer than the broker's offsets.retention.minutes), but there is a checkpoint, so that windows \
                 have been sent before; set the offset from which windows are to be computed and sent anew, with \
                 kafka-consumer-groups --reset-offsets (--to-earliest, --to-datetime, …)"
            ))
        } else {
            Ok((committed.log_start, None)) // nobody has ever read it
        };
    };
    if *offset < committed.log_start {
        return Err(format!(
            "partition {partition}: committed is offset {offset}, but the log begins at {}: readings were deleted by \
             the topic's retention before they were processed; set the offset from which windows are to be computed \
             and sent anew, with kafka-consumer-groups --reset-offsets (--to-earliest, …)",
            committed.log_start
        ));
    }
    if *offset > committed.log_end {
        return Err(format!(
            "partition {partition}: committed is offset {offset}, but the log ends at {}: readings were lost by the \
             broker, or the topic was made anew; set the offset from which windows are to be computed and sent anew, \
             with kafka-consumer-groups --reset-offsets (--to-earliest, …)",
            committed.log_end
        ));
    }
    if metadata.is_empty() {
        return Ok((*offset, None)); // set by hand, which says: from here on, whatever was before
    }
    let metadata: Metadata = metadata
        .parse()
        .map_err(|error| format!("partition {partition}: {error}"))?;
    if metadata.processed > committed.log_end {
        return Err(format!(
            "partition {partition}: processed was up to offset {}, but the log ends at {}: the broker has lost \
             readings; set the offset from which windows are to be computed and sent anew, with \
             kafka-consumer-groups --reset-offsets (--to-earliest, …)",
            metadata.processed, committed.log_end
        ));
    }
    Ok((*offset, Some(metadata)))
}
