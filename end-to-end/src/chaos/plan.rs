//! What happens when: a function of the seed alone, so that a run can be repeated.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// The number of a member of the crew; one that was killed and started again keeps its number.
pub type Member = u32;

/// A server of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// Kafka; of a cluster its first broker.
    Kafka,
    /// Its second broker.
    Kafka2,
    /// Its third broker.
    Kafka3,
    /// The schema registry.
    Registry,
}

/// How a server is stopped before it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// In good order, without waiting for its clients: PostgreSQL's fast shutdown.
    Fast,
    /// By SIGQUIT, with nothing put in order: PostgreSQL's immediate shutdown.
    Immediate,
    /// By SIGKILL.
    Kill,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A member is killed by SIGKILL, and started again.
    Kill,
    /// A member is stopped by SIGSTOP for a while.
    Freeze,
    /// A member more.
    Join,
    /// A member is asked to leave by SIGTERM.
    Leave,
    /// A server is stopped and started again.
    Restart(Server, Manner),
    /// PostgreSQL ends a session of a member.
    Cut,
    /// Nothing passes between the members and Kafka for a while.
    Block,
}

/// What happens, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See [`Kind::Kill`].
    Kill(Member),
    /// See [`Kind::Freeze`].
    Freeze(Member),
    /// See [`Kind::Join`].
    Join(Member),
    /// See [`Kind::Leave`].
    Leave(Member),
    /// See [`Kind::Restart`].
    Restart(Server, Manner),
    /// See [`Kind::Cut`]; of the sessions that there are, in the order of their pids, this one counted from 0, again
    /// from the first when there are fewer.
    Cut(usize),
    /// See [`Kind::Block`].
    Block,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// After what time.
    pub pause: Duration,
    /// What.
    pub action: Action,
}

/// What may happen.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The kinds of events, each with its weight.
    pub kinds: &'static [(Kind, u32)],
    /// How many members there are at first; they have the numbers from 1.
    pub members: u32,
    /// How many there may be.
    pub crew: RangeInclusive<usize>,
    /// Between two events.
    pub pause: RangeInclusive<Duration>,
    /// How long a frozen member stays so.
    pub freeze: Duration,
}

/// The events, one after the other, without end. At least one member is awake at any time.
#[derive(Debug)]
pub struct Plan {
    rules: Rules,
    dice: StdRng,
    /// The time since the beginning if events took none; in truth it is later, so who is awake here is awake there.
    clock: Duration,
    members: Vec<(Member, Sleep)>,
    next_member: Member,
}

/// Until when a member is frozen.
type Sleep = Option<Duration>;

impl Plan {
    /// The plan of this seed.
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            dice: StdRng::seed_from_u64(seed),
            clock: Duration::ZERO,
            members: (1..=rules.members).map(|member| (member, None)).collect(),
            next_member: rules.members + 1,
            rules,
        }
    }

    fn choose(&mut self) -> Action {
        let possible: Vec<_> = self
            .rules
            .kinds
            .iter()
            .filter(|(kind, _)| self.can(*kind))
            .copied()
            .collect();
        let (kind, _) = possible
            .choose_weighted(&mut self.dice, |&(_, weight)| weight)
            .copied()
            .expect("a member that is awake can be killed");
        match kind {
            Kind::Kill => Action::Kill(self.anybody()),
            Kind::Freeze => {
                let member = self.anybody();
                let until = self.clock + self.rules.freeze;
                for (_, sleep) in self.members.iter_mut().filter(|(one, _)| *one == member) {
                    *sleep = Some(until);
                }
                Action::Freeze(member)
            }
            Kind::Join => {
                let member = self.next_member;
                self.next_member += 1;
                self.members.push((member, None));
                Action::Join(member)
            }
            Kind::Leave => {
                let member = self.anybody();
                self.members.retain(|&(one, _)| one != member);
                Action::Leave(member)
            }
            Kind::Restart(server, manner) => Action::Restart(server, manner),
            Kind::Cut => Action::Cut(self.dice.random_range(0..100)),
            Kind::Block => Action::Block,
        }
    }

    fn can(&self, kind: Kind) -> bool {
        let (members, awake) = (self.members.len(), self.awake().len());
        match kind {
            Kind::Kill => awake > 0,
            Kind::Freeze => awake > 1,
            Kind::Join => members < *self.rules.crew.end(),
            Kind::Leave => members > *self.rules.crew.start() && awake > 1,
            Kind::Restart(..) | Kind::Cut | Kind::Block => true,
        }
    }

    fn awake(&self) -> Vec<Member> {
        let is_awake = |sleep: &Sleep| sleep.is_none_or(|until| until <= self.clock);
        let awake = self.members.iter().filter(|(_, sleep)| is_awake(sleep));
        awake.map(|&(member, _)| member).collect()
    }

    fn anybody(&mut self) -> Member {
        let awake = self.awake();
        *awake.choose(&mut self.dice).expect("somebody is awake")
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let pause = self.dice.random_range(self.rules.pause.clone());
        self.clock += pause;
        Some(Step {
            pause,
            action: self.choose(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const EVERYTHING: &[(Kind, u32)] = &[
        (Kind::Kill, 1),
        (Kind::Freeze, 3),
        (Kind::Join, 1),
        (Kind::Leave, 1),
        (Kind::Restart(Server::Postgres, Manner::Fast), 1),
        (Kind::Cut, 1),
        (Kind::Block, 1),
    ];

    fn rules() -> Rules {
        Rules {
            kinds: EVERYTHING,
            members: 3,
            crew: 2..=5,
            pause: Duration::from_secs(1)..=Duration::from_secs(3),
            freeze: Duration::from_secs(20),
        }
    }

    #[test]
    fn the_same_seed_is_the_same_plan_and_another_one_is_not() {
        let plan = |seed| Plan::new(rules(), seed).take(100).collect::<Vec<_>>();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn a_longer_run_begins_as_a_shorter_one() {
        let plan = |events| Plan::new(rules(), 7).take(events).collect::<Vec<_>>();
        assert_eq!(plan(100)[..10], plan(10)[..]);
    }

    #[test]
    fn only_who_is_there_and_awake_is_struck() {
        for seed in 0..50 {
            let mut asleep_until =
                BTreeMap::from([(1, Duration::ZERO), (2, Duration::ZERO), (3, Duration::ZERO)]);
            let mut clock = Duration::ZERO;
            for Step { pause, action } in Plan::new(rules(), seed).take(200) {
                assert!(rules().pause.contains(&pause));
                clock += pause;
                match action {
                    Action::Kill(member) => assert!(asleep_until[&member] <= clock),
                    Action::Freeze(member) => {
                        assert!(asleep_until[&member] <= clock);
                        asleep_until.insert(member, clock + rules().freeze);
                    }
                    Action::Join(member) => assert!(asleep_until.insert(member, clock).is_none()),
                    Action::Leave(member) => assert!(asleep_until.remove(&member).unwrap() <= clock),
                    Action::Restart(..) | Action::Cut(_) | Action::Block => {}
                }
                assert!(rules().crew.contains(&asleep_until.len()));
                assert!(
                    asleep_until.values().any(|until| *until <= clock),
                    "nobody is awake"
                );
            }
        }
    }

    #[test]
    fn everything_happens() {
        let mut happened = Vec::new();
        for Step { action, .. } in Plan::new(rules(), 1).take(200) {
            let kind = std::mem::discriminant(&action);
            if !happened.contains(&kind) {
                happened.push(kind);
            }
        }
        assert_eq!(happened.len(), EVERYTHING.len());
    }
}
