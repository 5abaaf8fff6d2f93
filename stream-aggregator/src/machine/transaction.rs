//! A transaction from its first record to its end, and what is done when it does not end well.

use std::time::{Duration, Instant};

use super::effect::{Answer, Effect, Output, Question, Trouble};
use super::{CommitPoint, Job, Machine, SHORTEST_INTERVAL, Slot, Step};

/// How often offsets are offered to a coordinator that does not take them, before the transaction is given up.
const OFFSET_TRIES: u32 = 3;

/// More replaced producers than this within [`RECREATIONS_WITHIN`], and somebody else must be using our id.
const MOST_RECREATIONS: usize = 3;
const RECREATIONS_WITHIN: Duration = Duration::from_secs(60);

/// After so many transactions in a row that had to be aborted, the next one will have to be, too.
const MOST_ABORTS: u32 = 10;

/// After each of these but the first the partitions are taken up again that much later, 36 s all together: a group that has
/// lost us takes its time until it has us again.
const PAUSE: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn begin(&mut self) {
        if !self.transaction_open {
            self.transaction_open = true;
            self.effects.push_back(Effect::Begin);
        }
    }

    pub(super) fn is_commit_due(&mut self, now: Instant) -> bool {
        let last = *self.last_commit.get_or_insert(now);
        let since = now.saturating_duration_since(last);
        let interval = if self.closed && !self.behind {
            SHORTEST_INTERVAL.min(self.settings.commit_interval)
        } else {
            self.settings.commit_interval
        };
        self.touched && since >= interval
    }

    /// Whether nothing is taken up again yet after a transaction that was refused.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        let pause = PAUSE * self.aborts.saturating_sub(1);
        self.last_abort
            .is_some_and(|last| now.saturating_duration_since(last) < pause)
    }

    /// Sends the checkpoints that have changed, then waits for everything that was sent.
    pub(super) fn start_commit(&mut self) {
        if !self.touched {
            return;
        }
        self.begin();
        for (&partition, slot) in &mut self.slots {
            if let Slot::Running(running) = slot
                && let Some(checkpoint) = running.changed_checkpoint()
            {
                self.effects.push_back(Effect::Send {
                    partition,
                    output: Output::Checkpoint(checkpoint),
                });
            }
        }
        self.ask(Step::Drain, Question::Drain);
    }

    /// Ends the transaction, and with it everything that the partitions knew.
    pub(super) fn start_abort(&mut self) {
        self.forget();
        if self.transaction_open {
            self.ask(Step::Abort, Question::Abort);
        }
    }

    pub(super) fn transact(&mut self, step: Step, answer: Answer, now: Instant) {
        match (step, answer) {
            (Step::Drain, Answer::Drained { checkpoints }) => self.send_offsets(&checkpoints),
            (Step::SendOffsets { .. }, Answer::Done) => self.ask(Step::Commit, Question::Commit),
            (Step::SendOffsets { points, tries }, Answer::Failed(Trouble::Retry(_)))
                if tries < OFFSET_TRIES =>
            {
                self.offer_offsets(points, tries + 1);
            }
            (Step::Commit, Answer::Done) => self.committed(now),
            // whether it has been committed is not known until the same call has given an answer
            (Step::Commit, Answer::Failed(Trouble::Retry(_))) => self.ask(Step::Commit, Question::Commit),
            (Step::Abort, Answer::Done) => self.transaction_open = false,
            (Step::Abort, Answer::Failed(Trouble::Retry(_))) => self.ask(Step::Abort, Question::Abort),
            (Step::Recreate, Answer::Done) => {}
            (Step::Recreate, Answer::Failed(Trouble::Retry(_))) => {
                self.ask(Step::Recreate, Question::Recreate)
            }
            (Step::Recreate, Answer::Failed(Trouble::Abort(why) | Trouble::Fenced(why))) => {
                self.fail(format!("no new producer can be made: {why}"));
            }
            // a producer that cannot even abort is of no use
            (Step::Abort, Answer::Failed(Trouble::Abort(why)))
            | (_, Answer::Failed(Trouble::Fenced(why))) => {
                self.recreate(&why, now);
            }
            (_, Answer::Failed(Trouble::Abort(why) | Trouble::Retry(why))) => self.refused(&why, now),
            (_, _) => self.start_abort(),
        }
    }

    /// The transaction cannot be committed.
    fn refused(&mut self, why: &str, now: Instant) {
        self.start_abort();
        self.aborts += 1;
        self.last_abort = Some(now);
        if self.aborts >= MOST_ABORTS {
            self.fail(format!(
                "{MOST_ABORTS} transactions in a row had to be aborted, the last one because of: {why}"
            ));
        }
    }

    /// Nothing more can be done.
    pub(super) fn fail(&mut self, why: String) {
        self.forget();
        self.stopping = true;
        self.effects.push_back(Effect::Fail(why));
    }

    fn send_offsets(&mut self, checkpoints: &[(i32, i64)]) {
        for &(partition, offset) in checkpoints {
            if let Some(Slot::Running(partition)) = self.slots.get_mut(&partition) {
                partition.checkpoint_sent(offset);
            }
        }
        let points = self.running().filter(|(_, partition)| partition.is_touched());
        let points = points.map(|(_, partition)| partition.commit_point()).collect();
        self.offer_offsets(points, 1);
    }

    fn offer_offsets(&mut self, points: Vec<CommitPoint>, tries: u32) {
        let question = Question::SendOffsets(points.clone());
        self.ask(Step::SendOffsets { points, tries }, question);
    }

    fn committed(&mut self, now: Instant) {
        self.transaction_open = false;
        self.touched = false;
        self.closed = false;
        self.last_commit = Some(now);
        self.aborts = 0;
        for slot in self.slots.values_mut() {
            if let Slot::Running(partition) = slot {
                partition.committed();
            }
        }
    }

    /// The old producer's transaction is aborted by the broker when the new one takes over its id.
    fn recreate(&mut self, why: &str, now: Instant) {
        self.forget();
        self.transaction_open = false;
        self.recreated
            .retain(|&at| now.saturating_duration_since(at) < RECREATIONS_WITHIN);
        if self.recreated.len() >= MOST_RECREATIONS {
            self.fail(format!(
                "the producer was refused more than {MOST_RECREATIONS} times in a minute, the last time with: {why}; \
                 does another process use the same --instance-id, or are transactions longer than --transaction-timeout?"
            ));
            return;
        }
        self.recreated.push_back(now);
        self.ask(Step::Recreate, Question::Recreate);
    }

    /// What is not committed has not happened: every partition must be read back.
    pub(super) fn forget(&mut self) {
        for slot in self.slots.values_mut() {
            if matches!(slot, Slot::Running(_)) {
                *slot = Slot::Stale;
            }
        }
        self.effects
            .retain(|effect| !matches!(effect, Effect::Send { .. }));
        self.jobs.retain(|job| !matches!(job, Job::Commit));
        self.touched = false;
        self.closed = false;
    }
}
