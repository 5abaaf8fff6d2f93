//! Single cases, told one by one.

use simulation::broker::Broker;
use simulation::process::Input;
use stream_aggregator::machine::{Hindrance, Question, Trouble};

use crate::stage::Stage;

#[test]
fn a_commit_says_where_the_oldest_open_window_begins_and_how_far_it_came() {
    let mut stage = Stage::started(&[
        (0.0, "north T1 1 5"),
        (1.0, "south T1 14 5"),
        (1.0, "east T1 14 5"),
    ]);
    stage.read();
    stage.tick(999);
    assert_eq!(
        stage.broker.commits, 0,
        "the first interval begins with the first tick"
    );
    stage.tick(1_000);
    assert_eq!(stage.committed(), (0, "1;3;-1"));
    assert_eq!(stage.outputs(), [""; 0]);

    stage.append(&[(2.0, "north T1 13 5"), (2.0, "x")]);
    stage.read();
    stage.tick(1_000);
    assert_eq!(stage.committed(), (1, "1;5;0"), "where south's window begins");
    assert_eq!(
        stage.outputs(),
        ["north at 0: 1 by stream time", "  T1", "4 refused"]
    );
}

#[test]
fn a_closed_window_is_committed_at_once_but_not_with_every_record_of_a_backlog() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    stage.read();
    stage.tick(0);
    stage.tick(1_000);
    assert_eq!(stage.broker.commits, 1);
    stage.append(&[(1.0, "north T1 13 5")]);
    stage.read();
    assert!(stage.process.machine.wants_tick());
    stage.tick(50);
    assert_eq!(stage.broker.commits, 1);
    stage.tick(50);
    assert_eq!(stage.broker.commits, 2, "100 ms after the last one");
    stage.append(&[(31.0, "north T1 31 5")]);
    stage.read();
    stage.tick(300);
    assert_eq!(stage.broker.commits, 3);
}

#[test]
fn no_window_of_a_backlog_is_worth_a_commit_of_its_own() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    stage.read();
    stage.tick(0);
    stage.tick(1_000);
    stage.process.machine.set_behind(true);
    stage.append(&[(1.0, "north T1 13 5")]);
    stage.read();
    assert!(!stage.process.machine.wants_tick());
    stage.tick(900);
    assert_eq!(stage.broker.commits, 1);
    stage.process.machine.set_behind(false);
    assert!(stage.process.machine.wants_tick());
    stage.tick(0);
    assert_eq!(stage.broker.commits, 2, "the backlog has ended");
}

#[test]
fn nothing_is_committed_when_nothing_has_happened() {
    let mut stage = Stage::started(&[]);
    stage.read();
    stage.wait(5);
    assert_eq!(stage.broker.commits, 0);
}

#[test]
fn at_the_end_of_the_log_a_quiet_farm_closes_by_time() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    stage.read();
    // its window closes at stream time 13, that is 12 s after its reading, and 1 s is for what is on its way
    stage.wait(12);
    assert_eq!(stage.outputs(), [""; 0]);
    stage.wait(1);
    assert_eq!(stage.outputs(), ["north at 0: 1 by idle", "  T1"]);
    assert_eq!(stage.committed(), (1, "1;1;0"));
}

#[test]
fn time_does_not_run_on_while_there_is_something_to_read() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5"), (20.0, "south T1 20 5")]);
    stage.read_up_to(1);
    stage.wait(60);
    assert_eq!(stage.outputs(), [""; 0]);
    stage.read();
    stage.tick(100);
    assert_eq!(
        stage.outputs()[0],
        "north at 0: 1 by idle",
        "the log's own time has closed it"
    );
}

#[test]
fn one_fast_clock_makes_nobody_else_late() {
    let mut stage = Stage::started(&[]);
    stage.delay = 0;
    for second in 0..40 {
        let at = f64::from(second);
        stage.append(&[
            (at, &format!("north T1 {second} 5")),
            (at, &format!("north T2 {second} 5")),
            (at, &format!("north T3 {} 5", second + 25)),
        ]);
    }
    stage.settle();
    assert!(
        stage.outputs().iter().all(|output| !output.contains("late")),
        "{:?}",
        stage.outputs()
    );
    assert!(
        stage
            .outputs()
            .contains(&"north at 0: 20 by stream time".to_owned())
    );
    assert_eq!(stage.verdict(), [""; 0]);
    assert_eq!(stage.suspicious(20), ["T3"]);
    assert_eq!(stage.suspicious(0), [""; 0], "it was not there yet");
}

#[test]
fn a_frozen_program_does_not_take_the_time_for_silence() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    stage.read();
    stage.tick(50);
    stage.tick(600_000);
    assert_eq!(stage.outputs(), [""; 0]);
    stage.append(&[(600.0, "north T1 2 5")]);
    stage.read();
    stage.wait(2);
    assert_eq!(stage.outputs()[0], "north at 0: 1 by idle");
    assert_eq!(
        stage.outputs()[2],
        "1 late by 0 ms",
        "the log says that it was quiet"
    );
}

#[test]
fn a_restart_rebuilds_open_windows_and_repeats_nothing() {
    let mut stage = Stage::started(&[
        (0.0, "north T1 1 5"),
        (0.0, "x"),
        (13.0, "north T1 13 5"),
        (13.0, "north T1 2 5"),
        (14.0, "north T1 14 5"),
    ]);
    stage.read();
    stage.tick(0);
    stage.tick(1_000);
    assert_eq!(stage.committed(), (2, "1;5;0"));
    let before = stage.outputs();
    assert_eq!(
        before[..4],
        ["1 refused", "north at 0: 1 by idle", "  T1", "3 late by 0 ms"].map(String::from)
    );

    stage.restart();
    assert_eq!(stage.hindrances(), [Hindrance::Restoring(0)]);
    stage.read();
    assert_eq!(stage.hindrances(), []);
    stage.wait(20);
    assert_eq!(stage.outputs()[..before.len()], before);
    assert_eq!(
        stage.outputs()[before.len()..],
        ["north at 10: 2 by idle", "  T1"]
    );
}

#[test]
fn what_was_aborted_is_done_again() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5"), (1.0, "north T1 13 5")]);
    stage.plan(
        |question| matches!(question, Question::SendOffsets(_)),
        Trouble::Abort("no".into()),
    );
    stage.read();
    stage.tick(0);
    stage.tick(1_000);
    assert_eq!((stage.broker.commits, stage.outputs().len()), (0, 0));
    assert_eq!(stage.hindrances(), [Hindrance::Restoring(0)]);
    stage.tick(50); // reads it back
    stage.read();
    stage.tick(1_000);
    assert_eq!(stage.outputs(), ["north at 0: 1 by stream time", "  T1"]);
    let asked = &stage.process.questions;
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
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    for _ in 0..50 {
        stage.plan(
            |question| *question == Question::Commit,
            Trouble::Retry("busy".into()),
        );
    }
    stage.read();
    stage.tick(0);
    stage.tick(1_000);
    assert_eq!(stage.committed(), (0, "1;1;-1"));
    assert!(!stage.process.questions.contains(&Question::Abort));
}

#[test]
fn a_restart_with_less_grace_counts_what_was_counted_and_then_closes() {
    let mut stage = Stage::started(&[
        (0.0, "north T1 1 5"),
        (1.0, "north T1 12 5"),
        (2.0, "north T1 2 5"),
    ]);
    stage.read();
    stage.commit();
    stage.restart_with_grace(1);
    stage.append(&[(3.0, "north T1 3 5")]);
    stage.settle();
    assert_eq!(
        stage.outputs()[..3],
        ["north at 0: 2 by stream time", "  T1", "3 late by 1000 ms"]
    );
}

#[test]
fn transactions_that_are_refused_again_and_again_end_the_program() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    for _ in 0..10 {
        assert_eq!(stage.process.failed, None);
        stage.plan(
            |question| *question == Question::Drain,
            Trouble::Abort("message too large".into()),
        );
        stage.tick(9_000); // takes the partition up again
        stage.read();
        stage.tick(1_000);
    }
    let why = stage.process.failed.unwrap();
    assert!(
        why.contains("10 transactions in a row") && why.contains("message too large"),
        "{why}"
    );
}

#[test]
fn after_each_refused_transaction_the_partition_is_taken_up_later() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    stage.read();
    let mut tried_at = Vec::new();
    while tried_at.len() < 5 {
        stage.plan(
            |question| *question == Question::Drain,
            Trouble::Abort("unknown member".into()),
        );
        while !stage.process.questions.contains(&Question::Drain) {
            stage.tick(50);
            stage.read();
        }
        tried_at.push(stage.broker.now);
        stage.process.questions.clear();
    }
    let pauses: Vec<_> = tried_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [100, 1_050, 2_050, 3_050]); // with the ticks that take it up, and try
}

#[test]
fn now_and_then_a_transaction_may_be_refused() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    for round in 0..30 {
        if round % 3 < 2 {
            let trouble = Trouble::Abort("it was decided so".into());
            stage.plan(|question| *question == Question::Drain, trouble);
        } else {
            stage.append(&[(1.0, "north T1 1 5")]);
        }
        stage.tick(9_000);
        stage.read();
        stage.tick(1_000);
        assert_eq!(stage.process.failed, None);
    }
}

/// Ends, with such words, when that question is always answered with trouble: in a rebalance, or when partitions that
/// are there already are read back.
fn ends_when(applies: fn(&Question) -> bool, in_rebalance: bool, words: &[&str]) {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5"), (1.0, "north T1 13 5")]);
    stage.read();
    stage.commit();
    for _ in 0..200 {
        stage.plan(applies, Trouble::Retry("no such topic".into()));
    }
    if in_rebalance {
        stage.revoke(false);
        stage.assign(0);
    } else {
        stage.process.happen(Input::OutOfRange, &mut stage.broker);
        stage.wait(60);
    }
    let why = stage.process.failed.as_ref().expect("it has ended");
    assert!(words.iter().all(|word| why.contains(word)), "{why}");
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_not_looked_for_for_ever() {
    let is_asked: fn(&Question) -> bool = |question| matches!(question, Question::ReadCheckpoint { .. });
    for in_rebalance in [true, false] {
        let words = [
            "partition 0: its checkpoint cannot be read at offset 0",
            "no such topic",
        ];
        ends_when(is_asked, in_rebalance, &words);
    }
}

#[test]
fn a_position_that_cannot_be_sought_is_not_sought_for_ever() {
    let is_asked: fn(&Question) -> bool = |question| matches!(question, Question::Seek { .. });
    let words = [
        "topic readings, partition 0",
        "from offset 1 on",
        "50 tries",
        "no such topic",
    ];
    ends_when(is_asked, false, &words);
}

#[test]
fn a_position_that_is_said_not_to_be_there_again_and_again_is_named() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5"), (1.0, "north T1 13 5")]);
    stage.read();
    stage.commit();
    for _ in 0..49 {
        stage.process.happen(Input::OutOfRange, &mut stage.broker);
        stage.tick(50);
        assert_eq!(stage.process.failed, None);
    }
    stage.process.happen(Input::OutOfRange, &mut stage.broker);
    let why = stage.process.failed.unwrap();
    assert!(
        why.contains("topic readings") && why.contains("partition 0 at offset 1"),
        "{why}"
    );
}

#[test]
fn a_position_that_is_there_after_all_is_forgotten() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    for round in 0..200 {
        stage.process.happen(Input::OutOfRange, &mut stage.broker);
        stage.tick(50);
        if round % 20 == 0 {
            stage.read();
        }
        assert_eq!(stage.process.failed, None);
    }
}

#[test]
fn a_member_of_the_group_without_partitions_is_ready() {
    let mut stage = Stage::of(&[]);
    assert_eq!(stage.hindrances(), [Hindrance::NotJoined]);
    stage.process.machine.joined();
    assert_eq!(stage.hindrances(), []);
}

#[test]
fn a_producer_that_is_refused_again_and_again_ends_the_program() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    for _ in 0..4 {
        assert_eq!(stage.process.failed, None);
        let trouble = Trouble::Fenced("there is a newer producer".into());
        stage.plan(|question| *question == Question::Commit, trouble);
        stage.tick(1_000); // takes the partition up again
        stage.read();
        stage.tick(1_000);
    }
    let why = stage.process.failed.unwrap();
    assert!(
        why.contains("more than 3 times in a minute") && why.contains("there is a newer producer"),
        "{why}"
    );
    assert!(why.contains("--instance-id"), "{why}");
}

#[test]
fn an_unknown_schema_is_looked_up_with_no_transaction_open() {
    let mut stage = Stage::started(&[(0.0, "x"), (0.0, "schema 7"), (1.0, "north T1 1 5")]);
    stage.plan(
        |question| *question == Question::Resolve(7),
        Trouble::Retry("the registry does not answer".into()),
    );
    stage.read();
    assert_eq!(stage.outputs(), ["0 refused"], "what was open is committed first");
    assert_eq!(stage.hindrances(), [Hindrance::WaitingForSchema(0, 7)]);
    stage.wait(5);
    assert_eq!(stage.committed(), (1, "1;1;-1"));

    stage.process.intake.settled_schemas.push(7);
    stage.process.machine.schema_settled(7);
    stage.tick(50);
    stage.read();
    stage.tick(1_000);
    assert_eq!(stage.hindrances(), []);
    assert_eq!(stage.outputs(), ["0 refused", "1 refused"]);
    assert_eq!(stage.committed(), (2, "1;3;-1"));
}

#[test]
fn a_schema_that_is_found_soon_holds_nothing_up() {
    let mut stage = Stage::started(&[(0.0, "schema 7"), (0.0, "schema 7")]);
    stage.read();
    stage.tick(0);
    stage.tick(1_000);
    assert_eq!(stage.outputs(), ["0 refused", "1 refused"]);
}

#[test]
fn giving_partitions_up_commits_first_and_losing_them_does_not() {
    for lost in [false, true] {
        let mut stage = Stage::started(&[(0.0, "north T1 1 5"), (13.0, "north T1 13 5")]);
        stage.read();
        stage.revoke(lost);
        assert_eq!(stage.broker.commits, u32::from(!lost));
        assert!(stage.process.consumer.assigned().is_empty());
    }
}

#[test]
fn after_the_wish_to_stop_no_record_is_taken() {
    let mut stage = Stage::started(&[(0.0, "north T1 1 5")]);
    stage.read();
    stage.process.happen(Input::Stop, &mut stage.broker);
    stage.append(&[(1.0, "north T1 2 5")]);
    stage.read();
    stage.revoke(false);
    assert_eq!(stage.committed(), (0, "1;1;-1"));
}

/// Ends with a reason that contains `words`.
fn refuses_to_start(prepare: impl FnOnce(&mut Broker), words: &str) {
    let mut stage = Stage::of(&[(0.0, "north T1 1 5"), (1.0, "north T1 2 5")]);
    prepare(&mut stage.broker);
    stage.start();
    let why = stage.process.failed.as_ref().expect("it has ended");
    assert!(why.contains("partition 0") && why.contains(words), "{why}");
    assert!(stage.outputs().is_empty() && stage.broker.commits == 0);
}

fn committed(offset: i64, metadata: &str) -> impl FnOnce(&mut Broker) {
    let committed = (offset, metadata.to_owned());
    move |broker| {
        broker.committed.insert(0, committed);
    }
}

#[test]
fn what_cannot_be_taken_up_is_no_start_from_zero() {
    refuses_to_start(
        |broker| {
            broker
                .results
                .put_checkpoint(0, avro::PartitionCheckpoint::default());
        },
        "the group's committed offset is gone",
    );
    refuses_to_start(
        |broker| {
            broker.committed.insert(0, (1, "1;1;-1".into()));
            broker.logs.get_mut(&0).unwrap().delete_before(2);
        },
        "committed is offset 1, but the log begins at 2",
    );
    refuses_to_start(committed(3, "1;3;-1"), "but the log ends at 2");
    refuses_to_start(committed(1, "1;2;7"), "its checkpoint is not at offset 7");
    refuses_to_start(committed(1, "9;2;7"), "format 9 is unknown");
}

#[test]
fn an_offset_set_by_hand_is_where_it_starts() {
    let mut stage = Stage::of(&[(0.0, "north T1 1 5"), (1.0, "north T1 2 5")]);
    stage.broker.committed.insert(0, (1, String::new()));
    stage.start();
    stage.read();
    stage.wait(20);
    assert_eq!(stage.outputs()[0], "north at 0: 1 by idle");
}

#[test]
fn a_group_that_is_new_starts_where_the_log_does() {
    let mut stage = Stage::of(&[(0.0, "north T1 1 5"), (1.0, "north T1 2 5")]);
    stage.broker.logs.get_mut(&0).unwrap().delete_before(1);
    stage.start();
    assert_eq!(stage.process.consumer.position(0), Some(1));
}
