//! Single cases, told one by one.

use std::time::Duration;

use domain::{CloseReason, TimeDelta};
use stream_aggregator::machine::{Hindrance, Output, Question, Settings, Trouble};
use windowing::WindowConfig;

use crate::world::{Member, Stored, World, at};

/// Windows of 10 s, 3 s of grace, quiet after 5 s, a commit each second.
fn settings() -> Settings {
    Settings {
        windows: WindowConfig::new(
            TimeDelta::from_secs(10),
            TimeDelta::from_secs(3),
            TimeDelta::from_secs(5),
        )
        .unwrap(),
        commit_interval: Duration::from_secs(1),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

struct Script {
    world: World,
    member: Member,
}

impl Script {
    /// One member with partition 0, whose log holds (append time in seconds, text).
    fn of(log: &[(f64, &str)]) -> Self {
        let mut script = Self {
            world: World::default(),
            member: Member::new(1, settings()),
        };
        script.world.logs.insert(0, Vec::new());
        script.append(log);
        script
    }

    fn started(log: &[(f64, &str)]) -> Self {
        let mut script = Self::of(log);
        script.start();
        script
    }

    fn start(&mut self) {
        self.member.assign(&mut self.world, &[0]).unwrap();
    }

    fn restart(&mut self) {
        self.member = Member::new(2, settings());
        self.start();
    }

    fn append(&mut self, log: &[(f64, &str)]) {
        let stored = log.iter().map(|&(seconds, text)| Stored {
            appended_at: at(seconds),
            text: text.to_owned(),
        });
        self.world.logs.get_mut(&0).unwrap().extend(stored);
    }

    fn read(&mut self) {
        self.member.read(&mut self.world, usize::MAX).unwrap();
    }

    fn tick(&mut self, after: Duration) {
        self.member.tick(&mut self.world, after).unwrap();
    }

    /// Ticks as the shell does when there is nothing to read.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 20 {
            self.tick(ms(50));
        }
    }

    fn committed(&self) -> (i64, &str) {
        let (offset, metadata) = &self.world.committed[&0];
        (*offset, metadata)
    }

    /// What readers see, in short.
    fn outputs(&self) -> Vec<String> {
        let short = |output: &Output| match output {
            Output::FarmWindow(closed) => {
                let reason = match closed.close_reason {
                    CloseReason::StreamTime => "stream time",
                    CloseReason::Idle => "idle",
                };
                let window = &closed.window;
                let start = window.window_start.since(at(0.0)).as_millis() / 1_000;
                format!(
                    "{} at {start}: {} by {reason}",
                    window.farm_id, window.reading_count
                )
            }
            Output::TurbineWindow(closed) => format!("  {}", closed.window.turbine_id),
            Output::Late { by_ms, original, .. } => format!("{} late by {by_ms} ms", original.offset),
            Output::DeadLetter { original, .. } => format!("{} refused", original.offset),
            Output::Checkpoint(checkpoint) => format!("checkpoint of {} farms", checkpoint.farms.len()),
        };
        self.world
            .outputs
            .iter()
            .map(|(_, output)| short(output))
            .collect()
    }

    fn hindrances(&self) -> Vec<Hindrance> {
        self.member.machine.hindrances().collect()
    }
}

#[test]
fn a_commit_says_where_the_oldest_open_window_begins_and_how_far_it_came() {
    let mut script = Script::started(&[
        (0.0, "north T1 1 5"),
        (1.0, "south T1 14 5"),
        (1.0, "east T1 14 5"),
    ]);
    script.read();
    script.tick(ms(999));
    assert_eq!(
        script.world.commits, 0,
        "the first interval begins with the first tick"
    );
    script.tick(ms(1_000));
    assert_eq!(script.committed(), (0, "1;3;-1"));
    assert_eq!(script.outputs(), [""; 0]);

    script.append(&[(2.0, "north T1 13 5"), (2.0, "x")]);
    script.read();
    script.tick(ms(1_000));
    assert_eq!(script.committed(), (1, "1;5;0"), "where south's window begins");
    assert_eq!(
        script.outputs(),
        [
            "north at 0: 1 by stream time",
            "  T1",
            "4 refused",
            "checkpoint of 1 farms"
        ]
    );
}

#[test]
fn a_closed_window_is_committed_at_once_but_not_with_every_record_of_a_backlog() {
    let mut script = Script::started(&[(0.0, "north T1 1 5")]);
    script.read();
    script.tick(ms(0));
    script.tick(ms(1_000));
    assert_eq!(script.world.commits, 1);
    script.append(&[(1.0, "north T1 13 5")]);
    script.read();
    assert!(script.member.machine.wants_tick());
    script.tick(ms(50));
    assert_eq!(script.world.commits, 1);
    script.tick(ms(50));
    assert_eq!(script.world.commits, 2, "100 ms after the last one");
    script.append(&[(31.0, "north T1 31 5")]);
    script.read();
    script.tick(ms(300));
    assert_eq!(script.world.commits, 3);
}

#[test]
fn nothing_is_committed_when_nothing_has_happened() {
    let mut script = Script::started(&[]);
    script.read();
    script.wait(5);
    assert_eq!(script.world.commits, 0);
}

#[test]
fn at_the_end_of_the_log_a_quiet_farm_closes_by_time() {
    let mut script = Script::started(&[(0.0, "north T1 1 5")]);
    script.read();
    // its window closes at stream time 13, that is 12 s after its reading, and 1 s is for what is on its way
    script.wait(12);
    assert_eq!(script.outputs(), [""; 0]);
    script.wait(1);
    assert_eq!(
        script.outputs(),
        ["north at 0: 1 by idle", "  T1", "checkpoint of 1 farms"]
    );
    assert_eq!(script.committed(), (1, "1;1;0"));
}

#[test]
fn time_does_not_run_on_while_there_is_something_to_read() {
    let mut script = Script::started(&[(0.0, "north T1 1 5"), (20.0, "south T1 20 5")]);
    script.member.read(&mut script.world, 1).unwrap();
    script.wait(60);
    assert_eq!(script.outputs(), [""; 0]);
    script.read();
    script.tick(ms(100));
    assert_eq!(
        script.outputs()[0],
        "north at 0: 1 by idle",
        "the log's own time has closed it"
    );
}

#[test]
fn a_frozen_program_does_not_take_the_time_for_silence() {
    let mut script = Script::started(&[(0.0, "north T1 1 5")]);
    script.read();
    script.tick(ms(50));
    script.tick(Duration::from_secs(600));
    assert_eq!(script.outputs(), [""; 0]);
    script.append(&[(600.0, "north T1 2 5")]);
    script.read();
    script.wait(2);
    assert_eq!(script.outputs()[0], "north at 0: 1 by idle");
    assert_eq!(
        script.outputs()[2],
        "1 late by 0 ms",
        "the log says that it was quiet"
    );
}

#[test]
fn a_restart_rebuilds_open_windows_and_repeats_nothing() {
    let mut script = Script::started(&[
        (0.0, "north T1 1 5"),
        (0.0, "x"),
        (13.0, "north T1 13 5"),
        (13.0, "north T1 2 5"),
        (14.0, "north T1 14 5"),
    ]);
    script.read();
    script.tick(ms(0));
    script.tick(ms(1_000));
    assert_eq!(script.committed(), (2, "1;5;0"));
    let before = script.outputs();
    assert_eq!(
        before[..4],
        ["1 refused", "north at 0: 1 by idle", "  T1", "3 late by 0 ms"].map(String::from)
    );

    script.restart();
    assert_eq!(script.hindrances(), [Hindrance::Restoring(0)]);
    script.read();
    assert_eq!(script.hindrances(), []);
    script.wait(20);
    assert_eq!(script.outputs()[..before.len()], before);
    assert_eq!(
        script.outputs()[before.len()..],
        ["north at 10: 2 by idle", "  T1", "checkpoint of 1 farms"]
    );
}

#[test]
fn what_was_aborted_is_done_again() {
    let mut script = Script::started(&[(0.0, "north T1 1 5"), (1.0, "north T1 13 5")]);
    script.member.troubles.push((
        |question| matches!(question, Question::SendOffsets(_)),
        Trouble::Abort("no".into()),
    ));
    script.read();
    script.tick(ms(0));
    script.tick(ms(1_000));
    assert_eq!((script.world.commits, script.outputs().len()), (0, 0));
    assert_eq!(script.hindrances(), [Hindrance::Restoring(0)]);
    script.tick(ms(50)); // reads it back
    script.read();
    script.tick(ms(1_000));
    assert_eq!(
        script.outputs(),
        ["north at 0: 1 by stream time", "  T1", "checkpoint of 1 farms"]
    );
    let asked = &script.member.questions;
    assert!(
        asked.contains(&Question::Abort)
            && asked.contains(&Question::Seek {
                partition: 0,
                offset: 0
            })
    );
}

#[test]
fn the_answer_to_a_commit_is_waited_for() {
    let mut script = Script::started(&[(0.0, "north T1 1 5")]);
    for _ in 0..50 {
        script.member.troubles.push((
            |question| *question == Question::Commit,
            Trouble::Retry("busy".into()),
        ));
    }
    script.read();
    script.tick(ms(0));
    script.tick(ms(1_000));
    assert_eq!(script.committed(), (0, "1;1;-1"));
    assert!(!script.member.questions.contains(&Question::Abort));
}

#[test]
fn a_producer_that_is_refused_again_and_again_ends_the_program() {
    let mut script = Script::started(&[(0.0, "north T1 1 5")]);
    for _ in 0..4 {
        assert_eq!(script.member.failed, None);
        let trouble = Trouble::Fenced("there is a newer producer".into());
        script
            .member
            .troubles
            .push((|question| *question == Question::Commit, trouble));
        script.tick(ms(1_000)); // takes the partition up again
        script.read();
        script.tick(ms(1_000));
    }
    let why = script.member.failed.unwrap();
    assert!(
        why.contains("more than 3 times in a minute") && why.contains("there is a newer producer"),
        "{why}"
    );
    assert!(why.contains("--instance-id"), "{why}");
}

#[test]
fn an_unknown_schema_is_looked_up_with_no_transaction_open() {
    let mut script = Script::started(&[(0.0, "x"), (0.0, "schema 7"), (1.0, "north T1 1 5")]);
    script.member.intake.unusable_schemas.push(8); // 7 is not known, and nobody knows when
    script.read();
    assert_eq!(
        script.outputs(),
        ["0 refused"],
        "what was open is committed first"
    );
    assert_eq!(script.hindrances(), [Hindrance::WaitingForSchema(0, 7)]);
    script.wait(5);
    assert_eq!(script.committed(), (1, "1;1;-1"));

    script.member.intake.unusable_schemas.push(7);
    script.member.machine.schema_settled(7);
    script.tick(ms(50));
    script.read();
    script.tick(ms(1_000));
    assert_eq!(script.hindrances(), []);
    assert_eq!(script.outputs(), ["0 refused", "1 refused"]);
    assert_eq!(script.committed(), (2, "1;3;-1"));
}

#[test]
fn a_schema_that_is_found_soon_holds_nothing_up() {
    let mut script = Script::started(&[(0.0, "schema 7"), (0.0, "schema 7")]);
    script.member.intake.unusable_schemas.push(7);
    script.read();
    script.tick(ms(0));
    script.tick(ms(1_000));
    assert_eq!(script.outputs(), ["0 refused", "1 refused"]);
}

#[test]
fn giving_partitions_up_commits_first_and_losing_them_does_not() {
    for lost in [false, true] {
        let mut script = Script::started(&[(0.0, "north T1 1 5"), (13.0, "north T1 13 5")]);
        script.read();
        if lost {
            script.world.owners.insert(0, 9);
        }
        script.member.revoke(&mut script.world, &[0]).unwrap();
        assert_eq!(script.world.commits, u32::from(!lost));
        assert!(script.member.fetched.is_empty());
    }
}

#[test]
fn after_the_wish_to_stop_no_record_is_taken() {
    let mut script = Script::started(&[(0.0, "north T1 1 5")]);
    script.read();
    script.member.machine.stop();
    script.member.carry_out_all(&mut script.world).unwrap();
    script.append(&[(1.0, "north T1 2 5")]);
    script.read();
    script.member.revoke(&mut script.world, &[0]).unwrap();
    assert_eq!(script.committed(), (0, "1;1;-1"));
}

/// Ends with a reason that contains `words`.
fn refuses_to_start(prepare: impl FnOnce(&mut World), words: &str) {
    let mut script = Script::of(&[(0.0, "north T1 1 5"), (1.0, "north T1 2 5")]);
    prepare(&mut script.world);
    script.start();
    let why = script.member.failed.expect("it has ended");
    assert!(why.contains("partition 0") && why.contains(words), "{why}");
    assert!(script.world.outputs.is_empty() && script.world.commits == 0);
}

#[test]
fn what_cannot_be_taken_up_is_no_start_from_zero() {
    let checkpoint = avro::PartitionCheckpoint::default();
    refuses_to_start(
        |world| drop(world.checkpoints.insert(0, vec![Some(checkpoint)])),
        "the group's committed offset is gone",
    );
    refuses_to_start(
        |world| {
            world.committed.insert(0, (1, "1;1;-1".into()));
            world.log_starts.insert(0, 2);
        },
        "committed is offset 1, but the log begins at 2",
    );
    refuses_to_start(
        |world| drop(world.committed.insert(0, (3, "1;3;-1".into()))),
        "but the log ends at 2",
    );
    refuses_to_start(
        |world| drop(world.committed.insert(0, (1, "1;2;7".into()))),
        "its checkpoint is not at offset 7",
    );
    refuses_to_start(
        |world| drop(world.committed.insert(0, (1, "9;2;7".into()))),
        "format 9 is unknown",
    );
}

#[test]
fn an_offset_set_by_hand_is_where_it_starts() {
    let mut script = Script::of(&[(0.0, "north T1 1 5"), (1.0, "north T1 2 5")]);
    script.world.committed.insert(0, (1, String::new()));
    script.start();
    script.read();
    script.wait(20);
    assert_eq!(script.outputs()[0], "north at 0: 1 by idle");
}

#[test]
fn a_group_that_is_new_starts_where_the_log_does() {
    let mut script = Script::of(&[(0.0, "north T1 1 5"), (1.0, "north T1 2 5")]);
    script.world.log_starts.insert(0, 1);
    script.start();
    assert_eq!(script.member.fetched[&0], 1);
}
