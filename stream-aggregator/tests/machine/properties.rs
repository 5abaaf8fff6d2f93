//! Whatever is killed, whenever, and however often partitions move.

use std::time::Duration;

use domain::TimeDelta;
use proptest::prelude::*;
use stream_aggregator::machine::{Question, Settings, Trouble};
use windowing::WindowConfig;

use crate::oracle;
use crate::world::{Died, Member, Stored, World, at};

const SIZE: TimeDelta = TimeDelta::from_secs(10);
const PARTITIONS: [i32; 3] = [0, 1, 2];

fn settings() -> Settings {
    Settings {
        windows: WindowConfig::new(SIZE, TimeDelta::from_secs(3), TimeDelta::from_secs(5)).unwrap(),
        commit_interval: Duration::from_secs(1),
    }
}

/// Something that happens to two members of a group.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Read {
        member: usize,
        most: usize,
    },
    Tick {
        member: usize,
        after_ms: u64,
    },
    /// The member dies after so many effects more, whenever that is, and is started again.
    Kill {
        member: usize,
        after: u32,
    },
    /// The partition goes to the member; the other one is told before, or finds out.
    Move {
        partition: i32,
        to: usize,
        told: bool,
    },
    Trouble {
        member: usize,
        question: usize,
        trouble: usize,
        answer_is_lost: bool,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let member = 0..2_usize;
    prop_oneof![
        6 => (member.clone(), 1..30_usize).prop_map(|(member, most)| Happening::Read { member, most }),
        6 => (member.clone(), 1..3_000_u64).prop_map(|(member, after_ms)| Happening::Tick { member, after_ms }),
        2 => (member.clone(), 0..40_u32).prop_map(|(member, after)| Happening::Kill { member, after }),
        2 => (0..3_i32, member.clone(), any::<bool>()).prop_map(|(partition, to, told)| Happening::Move { partition, to, told }),
        2 => (member, 0..6_usize, 0..3_usize, any::<bool>())
            .prop_map(|(member, question, trouble, answer_is_lost)| Happening::Trouble { member, question, trouble, answer_is_lost }),
    ]
}

/// A farm's readings: mostly in order, now and then late, double, refused, or after a pause.
fn log() -> impl Strategy<Value = Vec<Stored>> {
    let record = (
        0..2_000_u32,
        0..3_u32,
        0..3_u32,
        -6_000..2_000_i32,
        0..20_u32,
        0..100_i32,
    );
    proptest::collection::vec(record, 0..120).prop_map(|records| {
        let mut appended_ms = 0;
        records
            .into_iter()
            .map(|(gap_ms, farm, turbine, behind_ms, kind, power_kw)| {
                appended_ms += if kind == 0 { gap_ms * 20 } else { gap_ms };
                let skew_ms = if kind < 4 { behind_ms * 4 } else { behind_ms / 6 };
                // whole seconds, so that duplicates happen
                let event_seconds = (i64::from(appended_ms) + i64::from(skew_ms)) / 1_000;
                let text = match kind {
                    1 => "nonsense".to_owned(),
                    2 => format!("farm{farm} T{turbine} {event_seconds} NaN"),
                    _ => format!("farm{farm} T{turbine} {event_seconds} {power_kw}"),
                };
                Stored {
                    appended_at: at(f64::from(appended_ms) / 1_000.0),
                    text,
                }
            })
            .collect()
    })
}

struct Group {
    world: World,
    members: [Member; 2],
    owner: [usize; 3],
    started: u32,
}

impl Group {
    fn new(logs: [Vec<Stored>; 3]) -> Self {
        // farms of one partition are in no other
        let logs = PARTITIONS.into_iter().zip(logs).map(|(partition, log)| {
            let place = |stored: Stored| Stored {
                text: stored.text.replace("farm", &format!("p{partition}-farm")),
                ..stored
            };
            (partition, log.into_iter().map(place).collect())
        });
        let world = World {
            logs: logs.collect(),
            ..World::default()
        };
        let members = [Member::new(1, settings()), Member::new(2, settings())];
        let mut group = Self {
            world,
            members,
            owner: [0; 3],
            started: 2,
        };
        let started = group.members[0].assign(&mut group.world, &PARTITIONS);
        group.survive(0, started);
        group
    }

    fn happen(&mut self, happening: Happening) {
        let world = &mut self.world;
        match happening {
            Happening::Read { member, most } => {
                let outcome = self.members[member].read(world, most);
                self.survive(member, outcome);
            }
            Happening::Tick { member, after_ms } => {
                let outcome = self.members[member].tick(world, Duration::from_millis(after_ms));
                self.survive(member, outcome);
            }
            Happening::Kill { member, after } => self.members[member].dies_after = Some(after),
            Happening::Move { partition, to, told } => self.hand_over(partition, to, told),
            Happening::Trouble {
                member,
                question,
                trouble,
                answer_is_lost,
            } => {
                let question: fn(&Question) -> bool = match question {
                    0 => |question| matches!(question, Question::Drain),
                    1 => |question| matches!(question, Question::SendOffsets(_)),
                    2 => |question| matches!(question, Question::ReadCommitted { .. }),
                    3 => |question| matches!(question, Question::Seek { .. }),
                    4 => |question| *question == Question::Commit,
                    _ => |question| matches!(question, Question::ReadCheckpoint { .. }),
                };
                let trouble = match trouble {
                    0 => Trouble::Retry("later".into()),
                    1 => Trouble::Abort("no".into()),
                    _ => Trouble::Fenced("never".into()),
                };
                self.members[member].answer_is_lost = answer_is_lost;
                self.members[member].troubles.push((question, trouble));
            }
        }
        for member in &self.members {
            assert!(
                member
                    .failed
                    .as_ref()
                    .is_none_or(|why| why.contains("refused more than")),
                "{:?}",
                member.failed
            );
        }
        for member in 0..2 {
            if self.members[member].failed.is_some() {
                self.survive(member, Err(Died));
            }
        }
    }

    fn hand_over(&mut self, partition: i32, to: usize, told: bool) {
        let from = std::mem::replace(&mut self.owner[partition as usize], to);
        if from == to {
            return;
        }
        if told {
            let outcome = self.members[from].revoke(&mut self.world, &[partition]);
            self.survive(from, outcome);
        }
        let outcome = self.members[to].assign(&mut self.world, &[partition]);
        self.survive(to, outcome);
        if !told {
            // it goes on for a while, and nothing of it may be seen
            let outcome = self.members[from].read(&mut self.world, 10);
            self.survive(from, outcome);
            let outcome = self.members[from].tick(&mut self.world, Duration::from_secs(2));
            self.survive(from, outcome);
            if self.members[from].fetched.contains_key(&partition) {
                let outcome = self.members[from].revoke(&mut self.world, &[partition]);
                self.survive(from, outcome);
            }
        }
    }

    /// A dead member is started again, with what was its.
    fn survive(&mut self, member: usize, outcome: Result<(), Died>) {
        if outcome == Err(Died) {
            self.started += 1;
            let now = self.members[member].now;
            self.members[member] = Member::new(self.started, settings());
            self.members[member].now = now;
            let partitions: Vec<_> = PARTITIONS
                .into_iter()
                .filter(|&p| self.owner[p as usize] == member)
                .collect();
            self.members[member].assign(&mut self.world, &partitions).unwrap();
        }
    }

    /// Lets everything come to its end.
    fn settle(&mut self) {
        for member in 0..2 {
            self.members[member].dies_after = None;
            self.members[member].troubles.clear();
        }
        for _ in 0..120 {
            for member in 0..2 {
                self.happen(Happening::Read { member, most: 1_000 });
                self.happen(Happening::Tick {
                    member,
                    after_ms: 500,
                });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn each_window_is_sent_once_and_equals_the_naive_group_by(
        logs in [log(), log(), log()],
        happenings in proptest::collection::vec(happening(), 0..80),
    ) {
        let mut group = Group::new(logs);
        for happening in happenings {
            group.happen(happening);
        }
        group.settle();
        oracle::check(&group.world, SIZE);
    }
}
