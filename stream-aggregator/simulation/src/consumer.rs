//! The group's consumer within a process: what it knows of its membership, and where it reads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::broker::{Assignment, Broker, Heartbeat, Membership};
use crate::dice::Dice;
use crate::process::{Input, Traits};
use crate::time::Ms;

/// Between two heartbeats.
const HEARTBEAT: Ms = 300;

/// After which time a look-up of an offset that is still going on may win over the one that is wanted.
const OVERTAKEN_AFTER: Ms = 500;

/// For how long nothing comes of a partition at most.
const LONGEST_STALL: Ms = 10_000;

/// What the client library keeps, and does in the background.
#[derive(Debug, Clone)]
pub struct Consumer {
    instance: Option<String>,
    membership: Membership,
    /// The next offset to be fetched of each partition that is assigned.
    positions: BTreeMap<i32, i64>,
    /// What the program has not been told yet.
    news: Option<Assignment>,
    /// Whether somebody else may have its partitions, which the program has not been told yet.
    lost: bool,
    /// The partitions whose end has been told.
    ends: BTreeSet<i32>,
    /// The partitions that are not read.
    paused: BTreeSet<i32>,
    /// A position that will be overtaken by an older one.
    overtaken: Option<(i32, i64, Ms)>,
    heartbeat_due: Ms,
    /// Until when a fetch is on its way.
    fetch_due: Ms,
    /// How long the broker's newest records are on their way, at most.
    lag: Ms,
    /// How often, out of a hundred, a position is overtaken.
    overtakings: i64,
    /// How often, out of a thousand, nothing comes of a partition for a while though there is something.
    stalls: i64,
    stalled_until: BTreeMap<i32, Ms>,
    dice: Dice,
}

impl Consumer {
    /// In no group yet.
    pub fn new(traits: &Traits, dice: Dice) -> Self {
        Self {
            instance: traits.instance.clone(),
            membership: Membership::NONE,
            positions: BTreeMap::new(),
            news: None,
            lost: false,
            ends: BTreeSet::new(),
            paused: BTreeSet::new(),
            overtaken: None,
            heartbeat_due: 0,
            fetch_due: 0,
            lag: traits.lag,
            overtakings: traits.overtakings,
            stalls: traits.stalls,
            stalled_until: BTreeMap::new(),
            dice,
        }
    }

    /// What goes on whether the program does anything or not: joining, if it wants that, and heartbeats.
    pub fn live(&mut self, broker: &mut Broker, is_in_callback: bool, wants_to_join: bool) {
        let now = broker.now;
        let Some(member) = self.membership.member else {
            if wants_to_join && !self.lost {
                let member = broker.group.join(self.instance.as_deref(), now);
                self.membership.member = Some(member);
            }
            return;
        };
        if now < self.heartbeat_due {
            return;
        }
        self.heartbeat_due = now + self.dice.between(HEARTBEAT / 2, HEARTBEAT);
        // one rebalance at a time: what came of the last one must be dealt with
        let is_busy = is_in_callback || self.news.is_some();
        let owned = (!is_busy).then(|| self.assigned());
        match broker.group.heartbeat(member, owned, now) {
            Heartbeat::Fine => {}
            Heartbeat::Rejoin if is_busy => {}
            Heartbeat::Rejoin => broker.group.rejoin(member, self.assigned(), now),
            Heartbeat::Assignment(assignment) => {
                self.membership.generation = assignment.generation;
                self.news = Some(assignment);
            }
            Heartbeat::Unknown => {
                self.lost = true;
                self.news = None;
                self.membership = Membership::NONE;
            }
        }
    }

    /// What the program is told next: of a rebalance alone, or else records.
    pub fn poll(&mut self, broker: &Broker, most: usize) -> VecDeque<Input> {
        if self.lost {
            let partitions = self.positions.keys().copied().collect();
            return [
                Input::Revoked {
                    partitions,
                    lost: true,
                },
                Input::Forgotten,
            ]
            .into();
        }
        match self.news.take() {
            Some(assignment) => self.rebalance(&assignment.partitions),
            None => self.records(broker, most),
        }
    }

    /// The program knows that its partitions are lost: it may join again.
    pub fn forgotten(&mut self) {
        self.lost = false;
        self.positions.clear();
    }

    /// Takes partitions, from absolute offsets on.
    pub fn assign(&mut self, positions: &[(i32, i64)], broker: &Broker) {
        for &(partition, offset) in positions {
            self.seek(partition, offset, broker);
        }
    }

    /// Lets partitions go.
    pub fn unassign(&mut self, partitions: &[i32]) {
        self.positions
            .retain(|partition, _| !partitions.contains(partition));
    }

    /// Reads on from that offset.
    pub fn seek(&mut self, partition: i32, offset: i64, broker: &Broker) {
        self.positions.insert(partition, offset);
        self.ends.remove(&partition);
        if self.dice.percent(self.overtakings) {
            self.overtaken = Some((
                partition,
                self.dice.below(offset + 1),
                broker.now + OVERTAKEN_AFTER,
            ));
        }
    }

    /// Stops reading a partition, until it is told otherwise. It never is.
    pub fn pause(&mut self, partitions: &[i32]) {
        self.paused.extend(partitions);
    }

    /// A look-up of an older offset that is still going on wins over the position in half a second.
    pub const fn overtake(&mut self, partition: i32, offset: i64, now: Ms) {
        self.overtaken = Some((partition, offset, now + OVERTAKEN_AFTER));
    }

    /// The process was not running until now, and what it has fetched is old.
    pub fn wake(&mut self, now: Ms) {
        self.fetch_due = now + self.lag;
    }

    /// What the program has.
    pub fn assigned(&self) -> BTreeSet<i32> {
        self.positions.keys().copied().collect()
    }

    /// Where it reads on.
    pub fn position(&self, partition: i32) -> Option<i64> {
        self.positions.get(&partition).copied()
    }

    /// Who it is.
    pub const fn membership(&self) -> Membership {
        self.membership
    }

    /// Whether its partitions may be somebody else's.
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Becomes the group's only member.
    pub fn adopt(&mut self, broker: &mut Broker) {
        let (member, generation) = broker.group.adopt(broker.now);
        self.membership = Membership {
            member: Some(member),
            generation,
        };
    }

    fn rebalance(&mut self, wanted: &BTreeSet<i32>) -> VecDeque<Input> {
        let owned = self.assigned();
        let mut inputs = VecDeque::new();
        let revoked: Vec<i32> = owned.difference(wanted).copied().collect();
        let gained: Vec<i32> = wanted.difference(&owned).copied().collect();
        let lets_go = !revoked.is_empty();
        if lets_go {
            inputs.push_back(Input::Revoked {
                partitions: revoked,
                lost: false,
            });
        }
        // one that has nothing to be told of is told of nothing
        if !gained.is_empty() || !lets_go {
            inputs.push_back(Input::Assigned(gained));
        }
        if lets_go {
            inputs.push_back(Input::Rejoin);
        }
        inputs
    }

    fn records(&mut self, broker: &Broker, most: usize) -> VecDeque<Input> {
        let now = broker.now;
        let mut inputs = VecDeque::new();
        if now < self.fetch_due {
            return inputs;
        }
        if let Some((partition, offset, at)) = self.overtaken
            && at <= now
        {
            self.overtaken = None;
            if let Some(position) = self.positions.get_mut(&partition) {
                *position = offset.min(*position);
            }
        }
        let told_until = now - self.dice.below(self.lag + 1);
        for (&partition, position) in &mut self.positions {
            let Some(log) = broker
                .logs
                .get(&partition)
                .filter(|_| !self.paused.contains(&partition))
            else {
                continue;
            };
            if !self.ends.contains(&partition) {
                if self.dice.permille(self.stalls) {
                    self.stalled_until
                        .insert(partition, now + self.dice.below(LONGEST_STALL));
                }
                if self
                    .stalled_until
                    .get(&partition)
                    .is_some_and(|until| now < *until)
                {
                    continue;
                }
            }
            for _ in 0..most {
                if let Some((offset, _)) = log.next(*position, told_until) {
                    *position = offset + 1;
                    self.ends.remove(&partition);
                    inputs.push_back(Input::Record { partition, offset });
                } else {
                    if self.ends.insert(partition) {
                        inputs.push_back(Input::End(partition));
                    }
                    break;
                }
            }
        }
        inputs
    }
}
