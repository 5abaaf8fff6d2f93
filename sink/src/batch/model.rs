//! The offset protocol, every interleaving of it: two sinks, a group that gives the lane to either at any time, a database,
//! and crashes, cut connections and zombies between any two steps. The sinks are the real [`Pipeline`].

use std::collections::HashSet;
use std::time::{Duration, Instant};

use domain::Timestamp;
use rdkafka::message::OwnedHeaders;

use super::*;
use crate::copy::read_bigint;
use crate::lane::Topic;

const LANE: Lane = Lane {
    topic: Topic::DeadLetters,
    partition: 0,
};

/// What is searched.
#[derive(Debug, Clone, Copy)]
struct Search {
    /// Records of the lane.
    records: i64,
    /// Rows of a batch.
    batch: u64,
    /// How often the lane may move, by the group's will.
    moves: u32,
    /// How often a sink may crash, or lose its connection.
    mishaps: u32,
    /// The record that the database refuses.
    refused: Option<i64>,
    /// Whether the database compares before it sets; without that, the search must find a violation.
    has_fence: bool,
}

/// How far a batch is that a sink has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sent,
    /// Its transaction holds the lane's row.
    Claimed,
    /// It is stored, which the sink has not heard.
    Committed,
    /// PostgreSQL has ended the transaction.
    Broken,
}

/// How far a sink is with the dead letter of the refused record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    None,
    /// It has seen the refusal.
    Seen,
    /// It has sent the letter.
    Sent,
}

#[derive(Debug, Clone)]
struct Sink {
    pipeline: Pipeline,
    /// Where its consumer is; none while it does not think that the lane is its own.
    position: Option<i64>,
    out: Option<(Sealed, Stage)>,
    letter: Letter,
}

#[derive(Debug, Clone)]
struct World {
    search: Search,
    moves_left: u32,
    mishaps_left: u32,
    /// Whose the lane is, by the group.
    owner: usize,
    sinks: [Sink; 2],
    /// The database: next offset, offsets of the rows, the refused record if its letter is to be sent, and of whom the
    /// transaction is that holds the lane.
    next: i64,
    rows: Vec<i64>,
    refusal: Option<i64>,
    holder: Option<usize>,
    /// Sources of the dead letters on Kafka.
    letters: u32,
}

/// What can happen next to one of the sinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The group gives it the lane, whether the other one is ready for that or not.
    Move,
    /// It hears that the lane is its own.
    Assign,
    /// It hears that the lane no longer is, in time or too late.
    Revoke,
    Read,
    Send,
    Claim,
    Commit,
    Hear,
    /// PostgreSQL ends its transaction.
    Break,
    /// It hears that something went wrong, or nothing at all.
    Fail,
    Replace,
    Crash,
    SeeRefusal,
    SendLetter,
    RemoveRefusal,
}

const ACTIONS: [Action; 15] = [
    Action::Move,
    Action::Assign,
    Action::Revoke,
    Action::Read,
    Action::Send,
    Action::Claim,
    Action::Commit,
    Action::Hear,
    Action::Break,
    Action::Fail,
    Action::Replace,
    Action::Crash,
    Action::SeeRefusal,
    Action::SendLetter,
    Action::RemoveRefusal,
];

impl Sink {
    fn new(search: Search) -> Self {
        let limits = BatchLimits {
            rows: search.batch,
            bytes: usize::MAX,
            days: usize::MAX,
            age: Duration::ZERO,
        };
        Self {
            pipeline: Pipeline::new(Batch::new(limits)),
            position: None,
            out: None,
            letter: Letter::None,
        }
    }
}

impl World {
    fn new(search: Search) -> Self {
        Self {
            search,
            moves_left: search.moves,
            mishaps_left: search.mishaps,
            owner: 0,
            sinks: [Sink::new(search), Sink::new(search)],
            next: 0,
            rows: Vec::new(),
            refusal: None,
            holder: None,
            letters: 0,
        }
    }

    /// What becomes of the world if this happens now; none if it cannot.
    fn after(&self, action: Action, who: usize) -> Option<Self> {
        let mut world = self.clone();
        world.act(action, who).then_some(world)
    }

    fn act(&mut self, action: Action, who: usize) -> bool {
        let stage = self.sinks[who].out.as_ref().map(|(_, stage)| *stage);
        match action {
            Action::Move => {
                self.owner != who && take_one(&mut self.moves_left) && {
                    self.owner = who;
                    true
                }
            }
            Action::Assign => self.owner == who && self.assign(who),
            Action::Revoke => self.owner != who && self.revoke(who),
            Action::Read => self.read(who),
            Action::Send => self.send(who),
            Action::Claim => stage == Some(Stage::Sent) && self.claim(who),
            Action::Commit => stage == Some(Stage::Claimed) && self.commit(who),
            Action::Hear => stage == Some(Stage::Committed) && self.hear(who),
            Action::Break => {
                stage == Some(Stage::Claimed) && take_one(&mut self.mishaps_left) && {
                    self.end_transaction(who, Stage::Broken);
                    true
                }
            }
            Action::Fail => self.fail(who, stage),
            Action::Replace => self.replace(who),
            Action::Crash => {
                take_one(&mut self.mishaps_left) && {
                    if self.holder == Some(who) {
                        self.holder = None;
                    }
                    self.sinks[who] = Sink::new(self.search);
                    true
                }
            }
            Action::SeeRefusal => self.step_letter(who, Letter::None, Letter::Seen) && self.refusal.is_some(),
            Action::SendLetter => {
                self.step_letter(who, Letter::Seen, Letter::Sent) && {
                    self.letters = (self.letters + 1).min(3);
                    true
                }
            }
            Action::RemoveRefusal => {
                self.step_letter(who, Letter::Sent, Letter::None) && {
                    self.refusal = None;
                    true
                }
            }
        }
    }

    fn assign(&mut self, who: usize) -> bool {
        let next = self.next;
        let sink = &mut self.sinks[who];
        // the callback waits for the connection to be back
        if sink.position.is_some() || sink.out.is_some() {
            return false;
        }
        sink.pipeline.own(LANE, next);
        sink.position = Some(next);
        true
    }

    /// With all stored, or, too late, with all forgotten.
    fn revoke(&mut self, who: usize) -> bool {
        let sink = &mut self.sinks[who];
        if sink.position.is_none() || sink.out.is_some() {
            return false;
        }
        if !sink.pipeline.is_empty() {
            sink.pipeline.forget();
        }
        sink.pipeline.disown(LANE);
        sink.position = None;
        true
    }

    fn read(&mut self, who: usize) -> bool {
        let records = self.search.records;
        let sink = &mut self.sinks[who];
        let Some(position) = sink.position.filter(|&position| position < records) else {
            return false;
        };
        if !sink.pipeline.has_room() {
            return false;
        }
        sink.position = Some(position + 1);
        if sink.pipeline.wants(LANE, position) {
            let place = Place {
                partition: 0,
                offset: position,
                appended_at: Timestamp::from_micros(0),
            };
            let letter = Taken::<OwnedHeaders>::DeadLetter(None, None, None);
            sink.pipeline.push(LANE, place, letter, Instant::now());
        }
        true
    }

    fn send(&mut self, who: usize) -> bool {
        let sink = &mut self.sinks[who];
        if sink.out.is_some() || sink.pipeline.is_displaced() {
            return false;
        }
        sink.out = sink.pipeline.next_batch().map(|sealed| (sealed, Stage::Sent));
        sink.out.is_some()
    }

    /// Waits while another transaction holds the lane.
    fn claim(&mut self, who: usize) -> bool {
        if self.holder.is_some() {
            return false;
        }
        let Some((sealed, stage)) = &mut self.sinks[who].out else {
            return false;
        };
        if self.search.has_fence && sealed.moves[0].expected != self.next {
            self.sinks[who].out = None;
            self.sinks[who].pipeline.fenced();
            return true;
        }
        *stage = Stage::Claimed;
        self.holder = Some(who);
        true
    }

    fn commit(&mut self, who: usize) -> bool {
        self.end_transaction(who, Stage::Committed);
        let Some((sealed, _)) = &self.sinks[who].out else {
            return false;
        };
        self.next = sealed.moves[0].next;
        for row in sealed.rows.dead_letters.all() {
            let offset = sealed.rows.dead_letters.fields(row).nth(1).flatten();
            let offset = offset.and_then(read_bigint).unwrap();
            if self.search.refused == Some(offset) {
                self.refusal = Some(offset);
            } else {
                self.rows.push(offset);
            }
        }
        true
    }

    fn end_transaction(&mut self, who: usize, ended: Stage) {
        self.holder = None;
        if let Some((_, stage)) = &mut self.sinks[who].out {
            *stage = ended;
        }
    }

    fn hear(&mut self, who: usize) -> bool {
        let sink = &mut self.sinks[who];
        if let Some((sealed, _)) = sink.out.take() {
            sink.pipeline.stored(sealed);
        }
        true
    }

    /// The connection is cut before the transaction, or before the answer comes, or it has been ended.
    fn fail(&mut self, who: usize, stage: Option<Stage>) -> bool {
        let is_possible = match stage {
            Some(Stage::Broken) => true,
            Some(Stage::Sent | Stage::Committed) => take_one(&mut self.mishaps_left),
            Some(Stage::Claimed) | None => false,
        };
        let sink = &mut self.sinks[who];
        if let Some((sealed, _)) = sink.out.take_if(|_| is_possible) {
            sink.pipeline.failed(sealed);
        }
        is_possible
    }

    fn replace(&mut self, who: usize) -> bool {
        let next = self.next;
        let sink = &mut self.sinks[who];
        if !sink.pipeline.is_displaced() || sink.out.is_some() {
            return false;
        }
        sink.pipeline.replaced(sink.position.map(|_| (LANE, next)));
        sink.position = sink.position.map(|_| next);
        true
    }

    fn step_letter(&mut self, who: usize, from: Letter, to: Letter) -> bool {
        let letter = &mut self.sinks[who].letter;
        let is_there = *letter == from;
        if is_there {
            *letter = to;
        }
        is_there
    }

    /// What tells one state from another.
    fn key(&self) -> String {
        let sink = |sink: &Sink| {
            let progress: Vec<_> = sink
                .pipeline
                .lanes()
                .map(|(_, progress)| (progress.stored, progress.begin, progress.next))
                .collect();
            let out = sink
                .out
                .as_ref()
                .map(|(sealed, stage)| (sealed.moves.clone(), *stage));
            let waiting = sink.pipeline.waiting().map(|sealed| sealed.moves.clone());
            let is_displaced = sink.pipeline.is_displaced();
            format!(
                "{progress:?}{:?}{out:?}{waiting:?}{is_displaced}{:?}",
                sink.position, sink.letter
            )
        };
        format!(
            "{}{}{}{}{}{:?}{:?}{:?}{}",
            sink(&self.sinks[0]),
            sink(&self.sinks[1]),
            self.moves_left,
            self.mishaps_left,
            self.owner,
            (self.next, &self.rows),
            self.refusal,
            self.holder,
            self.letters,
        )
    }

    /// The rows are those of the records below the next offset, each once; but for the refused one, of which there is a
    /// letter or the note that one is to be sent.
    fn violation(&self) -> Option<String> {
        let expected: Vec<_> = (0..self.next)
            .filter(|&offset| Some(offset) != self.search.refused)
            .collect();
        if self.rows != expected {
            return Some(format!("next offset {}, but rows {:?}", self.next, self.rows));
        }
        let is_refused = self.search.refused.is_some_and(|offset| offset < self.next);
        if is_refused && self.refusal.is_none() && self.letters == 0 {
            return Some("the refused record has no letter, and nobody will send one".to_owned());
        }
        if !is_refused && (self.refusal.is_some() || self.letters > 0) {
            return Some("a letter of a record that was not refused".to_owned());
        }
        None
    }

    /// Whether all comes to an end if from now on nothing goes wrong. Those of which that is known are `calm`.
    fn ends_well(&self, calm: &mut HashSet<String>) -> bool {
        let mut world = self.clone();
        (world.moves_left, world.mishaps_left) = (0, 0);
        let mut way = Vec::new();
        loop {
            let key = world.key();
            if calm.contains(&key) || (world.next == world.search.records && world.refusal.is_none()) {
                calm.extend(way);
                return true;
            }
            if way.contains(&key) {
                return false;
            }
            way.push(key);
            let next = ACTIONS
                .iter()
                .rev()
                .flat_map(|&action| [(action, 0), (action, 1)])
                .find_map(|(action, who)| world.after(action, who));
            match next {
                Some(next) => world = next,
                None => return false,
            }
        }
    }
}

fn take_one(left: &mut u32) -> bool {
    let is_there = *left > 0;
    *left = left.saturating_sub(1);
    is_there
}

/// Visits every state that can be reached. The number of states, or the way to the first violation.
fn visit_all(search: Search) -> Result<usize, String> {
    let start = World::new(search);
    let mut known: HashSet<String> = [start.key()].into();
    let mut calm = HashSet::new();
    let mut open: Vec<(World, Vec<(Action, usize)>)> = vec![(start, Vec::new())];
    while let Some((world, way)) = open.pop() {
        for (action, who) in ACTIONS.iter().flat_map(|&action| [(action, 0), (action, 1)]) {
            let Some(next) = world.after(action, who) else {
                continue;
            };
            if !known.insert(next.key()) {
                continue;
            }
            let way: Vec<_> = way.iter().copied().chain([(action, who)]).collect();
            if let Some(violation) = next.violation() {
                return Err(format!("{violation} after {way:?}"));
            }
            if !next.ends_well(&mut calm) {
                return Err(format!("it stands still after {way:?}"));
            }
            open.push((next, way));
        }
    }
    Ok(known.len())
}

const SEARCH: Search = Search {
    records: 2,
    batch: 1,
    moves: 3,
    mishaps: 2,
    refused: None,
    has_fence: true,
};

#[test]
fn whoever_dies_or_wakes_up_whenever_each_record_is_stored_once() {
    let states = visit_all(SEARCH).unwrap();
    assert!(states > 5_000, "only {states} states");
    let larger = Search {
        records: 3,
        batch: 2,
        moves: 2,
        mishaps: 1,
        ..SEARCH
    };
    visit_all(larger).unwrap();
}

#[test]
fn a_refused_record_has_its_letter_whoever_dies_whenever() {
    let states = visit_all(Search {
        moves: 1,
        refused: Some(0),
        ..SEARCH
    })
    .unwrap();
    assert!(states > 1_000, "only {states} states");
}

#[test]
fn without_the_fence_the_search_finds_a_record_that_is_stored_twice() {
    let found = visit_all(Search {
        has_fence: false,
        ..SEARCH
    });
    assert!(found.is_err_and(|violation| violation.contains("but rows")));
}
