//! The consumer group's coordinator: who is a member, who has which partitions, and whose word is still good.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;
use crate::time::Ms;

/// How partitions are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The members meet, and agree (cooperative-sticky).
    Classic,
    /// The coordinator tells each member for itself (KIP-848).
    Consumer,
}

/// The id of a member, as long as it is one.
pub type MemberId = u32;

/// What a member is told when it says that it is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heartbeat {
    /// Nothing new.
    Fine,
    /// The others are meeting: join them.
    Rejoin,
    /// These partitions are its own, by that generation.
    Assignment(Assignment),
    /// It is no member any more.
    Unknown,
}

/// What a member has, and by which word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Of the group with [`Protocol::Classic`], of the member with [`Protocol::Consumer`].
    pub generation: i32,
    /// All that it has.
    pub partitions: BTreeSet<i32>,
}

/// Who somebody says to be. A generation of -1 and no member is what a client says that is in no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// None before it has joined.
    pub member: Option<MemberId>,
    /// The one that it was told last.
    pub generation: i32,
}

impl Membership {
    /// Of a client that is in no group.
    pub const NONE: Self = Self {
        member: None,
        generation: -1,
    };
}

/// The coordinator of the one group.
#[derive(Debug)]
pub struct Group {
    protocol: Protocol,
    partitions: BTreeSet<i32>,
    session_timeout: Ms,
    generation: i32,
    members: BTreeMap<MemberId, Member>,
    next_member: MemberId,
    /// Until when members have time to come to the meeting that is going on.
    meeting_until: Option<Ms>,
    dice: Dice,
}

#[derive(Debug, Default)]
struct Member {
    instance: Option<String>,
    heard_at: Ms,
    generation: i32,
    /// What it says that it has.
    owned: BTreeSet<i32>,
    /// What it is to have.
    assigned: BTreeSet<i32>,
    /// Whether it is at the meeting.
    has_joined: bool,
    /// Whether it has been told of its assignment.
    is_told: bool,
    /// What it is to have in the end (KIP-848).
    target: BTreeSet<i32>,
}

impl Group {
    /// Without members.
    pub const fn new(protocol: Protocol, partitions: BTreeSet<i32>, session_timeout: Ms, dice: Dice) -> Self {
        Self {
            protocol,
            partitions,
            session_timeout,
            generation: 0,
            members: BTreeMap::new(),
            next_member: 1,
            meeting_until: None,
            dice,
        }
    }

    /// A client wants to be a member. One with the instance id of a member takes that one's place at once.
    pub fn join(&mut self, instance: Option<&str>, now: Ms) -> MemberId {
        let id = self.next_member;
        self.next_member += 1;
        let same = |member: &Member| instance.is_some() && member.instance.as_deref() == instance;
        let former = self.members.iter().find(|(_, member)| same(member));
        if let Some(former) = former.map(|(&id, _)| id) {
            self.replace(former, id, now);
            return id;
        }
        self.call_meeting(now);
        let member = Member {
            instance: instance.map(str::to_owned),
            heard_at: now,
            has_joined: true,
            is_told: true,
            ..Member::default()
        };
        self.members.insert(id, member);
        self.rebalance(now);
        id
    }

    /// A member is alive, and has these partitions; while it is dealing with a rebalance it does not say.
    pub fn heartbeat(&mut self, id: MemberId, owned: Option<BTreeSet<i32>>, now: Ms) -> Heartbeat {
        let is_meeting = self.meeting_until.is_some();
        let Some(member) = self.members.get_mut(&id) else {
            return Heartbeat::Unknown;
        };
        member.heard_at = now;
        match self.protocol {
            Protocol::Classic if is_meeting && !member.has_joined => return Heartbeat::Rejoin,
            Protocol::Classic if is_meeting => return Heartbeat::Fine,
            Protocol::Classic => {}
            Protocol::Consumer => {
                if let Some(owned) = owned {
                    member.owned = owned;
                    self.reconcile(id);
                }
            }
        }
        match self.members.get_mut(&id) {
            Some(member) if !member.is_told => {
                member.is_told = true;
                Heartbeat::Assignment(Assignment {
                    generation: member.generation,
                    partitions: member.assigned.clone(),
                })
            }
            Some(_) | None => Heartbeat::Fine,
        }
    }

    /// A member comes to the meeting, or wants one, and has these partitions (classic).
    pub fn rejoin(&mut self, id: MemberId, owned: BTreeSet<i32>, now: Ms) {
        if self.protocol == Protocol::Consumer || !self.members.contains_key(&id) {
            return;
        }
        self.call_meeting(now);
        if let Some(member) = self.members.get_mut(&id) {
            member.owned = owned;
            member.has_joined = true;
        }
        self.try_to_agree(now);
    }

    /// A member goes by itself.
    pub fn leave(&mut self, id: MemberId, now: Ms) {
        if self.members.remove(&id).is_some() {
            self.rebalance(now);
        }
    }

    /// Time has passed: who has not been heard of is no member any more.
    pub fn tick(&mut self, now: Ms) {
        let before = self.members.len();
        let silent_since = now - self.session_timeout;
        self.members.retain(|_, member| member.heard_at >= silent_since);
        if self.members.len() < before {
            self.rebalance(now);
        }
        if self.meeting_until.is_some_and(|until| now > until) {
            self.members.retain(|_, member| member.has_joined);
        }
        self.try_to_agree(now);
    }

    /// Partitions are to be shared anew, for whatever reason.
    pub fn rebalance(&mut self, now: Ms) {
        match self.protocol {
            Protocol::Classic => {
                self.call_meeting(now);
                self.try_to_agree(now);
            }
            Protocol::Consumer => {
                self.generation += 1;
                for (id, target) in self.share() {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.target = target;
                    }
                }
            }
        }
    }

    /// Whether offsets of these partitions are taken from such a member. Nobody looks whether the partitions are its
    /// own, nor at all at a client that is in no group (classic).
    pub fn check(&self, membership: &Membership, partitions: &BTreeSet<i32>) -> Result<(), &'static str> {
        let Some(id) = membership.member else {
            return if self.protocol == Protocol::Classic && membership.generation == -1 {
                Ok(())
            } else {
                Err("unknown member id")
            };
        };
        let member = self.members.get(&id).ok_or("unknown member id")?;
        let is_current = match self.protocol {
            Protocol::Classic => membership.generation == self.generation,
            Protocol::Consumer => {
                membership.generation == member.generation || partitions.is_subset(&member.assigned)
            }
        };
        if is_current {
            Ok(())
        } else {
            Err("illegal generation")
        }
    }

    /// Makes a client the only member, with all partitions, without any ado.
    pub fn adopt(&mut self, now: Ms) -> (MemberId, i32) {
        self.members.clear();
        let id = self.join(None, now);
        self.meeting_until = None;
        self.generation += 1;
        let (generation, all) = (self.generation, self.partitions.clone());
        if let Some(member) = self.members.get_mut(&id) {
            *member = Member {
                heard_at: now,
                generation,
                owned: all.clone(),
                target: all.clone(),
                assigned: all,
                is_told: true,
                ..Member::default()
            };
        }
        (id, generation)
    }

    /// A new process takes the place of one of the same name: with what that one had, unless they are just meeting.
    fn replace(&mut self, former: MemberId, id: MemberId, now: Ms) {
        let Some(mut member) = self.members.remove(&former) else {
            return;
        };
        let is_meeting = self.meeting_until.is_some();
        member.heard_at = now;
        member.is_told = false;
        member.has_joined = is_meeting;
        member.owned = match self.protocol {
            Protocol::Classic if !is_meeting => member.assigned.clone(),
            Protocol::Classic | Protocol::Consumer => BTreeSet::new(),
        };
        self.members.insert(id, member);
        let assigned = self.members.values().flat_map(|member| &member.assigned);
        if assigned.count() < self.partitions.len() {
            self.rebalance(now); // the former one was to let something go, and will not say that it has
        }
    }

    fn call_meeting(&mut self, now: Ms) {
        if self.protocol == Protocol::Classic && self.meeting_until.is_none() {
            self.meeting_until = Some(now + 2 * self.session_timeout);
            for member in self.members.values_mut() {
                member.has_joined = false;
            }
        }
    }

    /// The meeting is over when all are there.
    fn try_to_agree(&mut self, now: Ms) {
        let are_all_there = self.members.values().all(|member| member.has_joined);
        if self.meeting_until.is_none() || !are_all_there {
            return;
        }
        self.meeting_until = None;
        self.generation += 1;
        let shares = self.share();
        let owners: BTreeMap<i32, MemberId> = self
            .members
            .iter()
            .flat_map(|(&id, member)| member.owned.iter().map(move |&partition| (partition, id)))
            .collect();
        for (id, mut share) in shares {
            // what somebody else has must be let go first; then they meet again
            share.retain(|partition| owners.get(partition).is_none_or(|&owner| owner == id));
            if let Some(member) = self.members.get_mut(&id) {
                member.generation = self.generation;
                member.assigned = share;
                member.is_told = false;
                member.heard_at = now;
            }
        }
    }

    /// Tells a member what to let go, or when nobody else has it any more, what to take (KIP-848).
    fn reconcile(&mut self, id: MemberId) {
        let taken: BTreeSet<i32> = self
            .members
            .iter()
            .filter(|&(&other, _)| other != id)
            .flat_map(|(_, member)| member.owned.union(&member.assigned).copied())
            .collect();
        let generation = self.generation;
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let lets_go = !member.owned.is_subset(&member.target);
        let assigned: BTreeSet<i32> = if lets_go {
            member.owned.intersection(&member.target).copied().collect()
        } else {
            member.target.difference(&taken).copied().collect()
        };
        if assigned != member.assigned || (!lets_go && member.generation != generation) {
            member.assigned = assigned;
            member.is_told = false;
            if !lets_go {
                member.generation = generation;
            }
        }
    }

    /// Equal shares: mostly as they were, for the rest by chance.
    fn share(&mut self) -> BTreeMap<MemberId, BTreeSet<i32>> {
        let mut shares: BTreeMap<MemberId, BTreeSet<i32>> =
            self.members.keys().map(|&id| (id, BTreeSet::new())).collect();
        let quota = self.partitions.len().div_ceil(shares.len().max(1));
        let mut left = Vec::new();
        for &partition in &self.partitions {
            let owner = self
                .members
                .iter()
                .find(|(_, member)| member.owned.contains(&partition));
            let stays = self.dice.percent(80);
            match owner.and_then(|(id, _)| shares.get_mut(id)) {
                Some(share) if stays && share.len() < quota => {
                    share.insert(partition);
                }
                Some(_) | None => left.push(partition),
            }
        }
        for partition in left {
            let room: Vec<MemberId> = shares
                .iter()
                .filter(|(_, share)| share.len() < quota)
                .map(|(&id, _)| id)
                .collect();
            if !room.is_empty()
                && let Some(share) = shares.get_mut(&self.dice.pick(&room))
            {
                share.insert(partition);
            }
        }
        shares
    }
}
