//! Traps that were met on a real broker, each with the mistake that falls into it.

use simulation::Mistake;
use simulation::process::{Doom, Process};
use simulation::time::at;

use crate::stage::Stage;

/// Readings of two windows, late ones and refused ones among them, so that nothing can be lost or doubled unseen.
const LOG: [(f64, &str); 8] = [
    (0.0, "north T1 1 NaN"),
    (0.5, "north T1 1 5"),
    (1.0, "north T2 2 6"),
    (2.0, "nonsense"),
    (13.5, "north T1 13.5 7"),
    (14.0, "north T1 3 8"),
    (15.0, "south T1 15 NaN"),
    (15.5, "south T1 15 9"),
];

const MORE: [(f64, &str); 3] = [
    (16.0, "north T2 4 1"),
    (16.5, "south T1 16 2"),
    (17.0, "nonsense"),
];

/// Two farms that fall silent; the second one's window closes first, and the first one's keeps the offset back.
const QUIET: [(f64, &str); 2] = [(16.0, "east T1 40 1"), (16.5, "west T1 16 2")];

/// Nobody complains of the story when all is done right, and somebody does when that mistake is made.
fn trap(mistake: Mistake, story: fn(&mut Stage)) {
    let mut right = Stage::of(&LOG);
    story(&mut right);
    assert_eq!(right.verdict(), [""; 0], "without a mistake");
    let mut wrong = Stage::with_mistake(&LOG, Some(mistake));
    story(&mut wrong);
    assert_ne!(wrong.verdict(), [""; 0], "nobody notices {mistake}");
}

/// So many calls of a commit are done, and then one more: the checkpoint is sent, two questions are asked and answered.
const BEFORE_COMMIT: u32 = 4;

/// Falls asleep when the offsets are in the transaction, and another process has the partition meanwhile.
fn sleep_between_offsets_and_commit(stage: &mut Stage) {
    stage.start();
    stage.read();
    stage.tick(0);
    stage.process.doom = Some((BEFORE_COMMIT, Doom::Freezes(5_000)));
    stage.tick(1_000);
    let mut former = stage.replace();
    stage.start();
    stage.read();
    stage.commit();
    former.wake(stage.broker.now);
    former.go_on(&mut stage.broker);
    stage.settle();
}

/// The partition goes to another process and comes back.
fn there_and_back(stage: &mut Stage) {
    stage.start();
    stage.read();
    stage.revoke(false);
    let mut former = stage.replace();
    stage.start();
    stage.read();
    stage.commit();
    stage.revoke(false);
    std::mem::swap(&mut former, &mut stage.process);
    stage.append(&MORE);
    stage.start();
    stage.read();
    stage.commit();
    stage.settle();
}

/// Dies right after a commit, with windows open.
fn restart(stage: &mut Stage) {
    stage.start();
    stage.read();
    stage.commit();
    stage.restart();
    stage.append(&MORE);
    stage.settle();
}

/// Goes on for a while when others have the partition already, whether it knows that it is in no group or not.
fn zombie(stage: &mut Stage, knows: bool) {
    stage.start();
    stage.read();
    let mut former = stage.replace();
    stage.start();
    stage.read();
    stage.commit();
    if knows {
        former.consumer.live(&mut stage.broker, false, true);
    }
    std::mem::swap(&mut former, &mut stage.process);
    stage.commit();
    std::mem::swap(&mut former, &mut stage.process);
    stage.append(&MORE);
    stage.settle();
}

#[test]
fn outputs_of_a_partition_that_was_let_go_are_not_committed_later() {
    trap(Mistake::NoCommitAtRevoke, there_and_back);
}

#[test]
fn a_partition_that_comes_back_is_read_though_it_was_paused_once() {
    trap(Mistake::PauseSurvives, there_and_back);
}

#[test]
fn an_offset_in_a_pending_transaction_is_waited_for() {
    trap(Mistake::UnstableOffset, sleep_between_offsets_and_commit);
}

#[test]
fn a_farm_that_was_closed_for_being_quiet_stays_closed() {
    trap(Mistake::NoCheckpoint, |stage| {
        stage.append(&QUIET);
        stage.start();
        stage.read();
        stage.wait(10);
        stage.restart();
        stage.settle();
    });
}

#[test]
fn late_readings_and_dead_letters_are_not_sent_again_by_a_replay() {
    trap(Mistake::ForgetsProcessed, restart);
}

#[test]
fn a_replay_begins_where_the_oldest_open_window_does() {
    trap(Mistake::PositionAsOffset, restart);
}

#[test]
fn a_rejected_reading_is_counted_after_a_restart_too() {
    trap(Mistake::RejectedDoNotCount, |stage| {
        stage.start();
        stage.read_up_to(2);
        stage.commit();
        stage.restart();
        stage.settle();
    });
}

#[test]
fn a_transaction_holds_offsets() {
    trap(Mistake::NoOffsets, restart);
}

#[test]
fn a_transaction_holds_offsets_even_if_they_have_not_moved() {
    trap(Mistake::OffsetsThatMoved, |stage| {
        stage.start();
        stage.read();
        stage.commit();
        stage.append(&[(16.0, "north T2 4 1")]);
        stage.read();
        stage.commit();
        stage.restart();
        stage.settle();
    });
}

#[test]
fn the_generation_is_the_fence() {
    trap(Mistake::NoFence, |stage| zombie(stage, false));
}

#[test]
fn a_client_that_is_in_no_group_is_refused_by_nobody_but_itself() {
    trap(Mistake::NotLookingWhetherLost, |stage| zombie(stage, true));
}

#[test]
fn a_refused_transaction_has_not_happened() {
    trap(Mistake::IgnoresRefusals, refusal);
}

#[test]
fn after_an_abort_the_partition_is_read_again() {
    trap(Mistake::NoSeek, refusal);
}

#[test]
fn nothing_is_open_while_others_are_waited_for() {
    trap(Mistake::WaitsWithTransactionOpen, |stage| {
        stage.start();
        stage.read();
        stage.assign(1);
        stage.settle();
    });
}

#[test]
fn offsets_of_every_partition_are_in_the_transaction() {
    trap(Mistake::OffsetsOfOnePartition, |stage| {
        stage.append_to(1, &[(1.0, "nonsense"), (2.0, "east T1 2 4")]);
        stage.start();
        stage.assign(1);
        stage.read();
        stage.commit();
        stage.restart();
        stage.assign(1);
        stage.settle();
    });
}

#[test]
fn offsets_are_committed_with_what_they_stand_for() {
    trap(Mistake::OffsetsBeside, |stage| {
        stage.start();
        stage.read();
        stage.tick(0);
        stage.process.doom = Some((BEFORE_COMMIT, Doom::Dies));
        stage.tick(1_000);
        stage.broker.tick(stage.broker.now + 40_000);
        stage.restart();
        stage.settle();
    });
}

#[test]
fn a_record_that_comes_again_is_dropped() {
    trap(Mistake::TakesRedeliveries, |stage| {
        stage.start();
        stage.read();
        stage.commit();
        let now = stage.broker.now;
        let log = stage.broker.logs.get_mut(&0).unwrap();
        log.append_nothing(at(stage.delay + 15_500), now); // the end of somebody's transaction
        stage.append(&MORE);
        stage.process.consumer.overtake(0, 1, now);
        stage.settle();
    });
}

#[test]
fn the_checkpoint_is_the_one_that_was_committed_with_the_offset() {
    trap(Mistake::NewestCheckpoint, |stage| {
        let former = die_with_a_checkpoint_sent(stage);
        stage.start();
        stage.read();
        stage.commit();
        drop(former);
        stage.settle();
    });
}

#[test]
fn the_checkpoint_is_not_looked_for_up_to_a_stable_offset() {
    trap(Mistake::StableCheckpoint, |stage| {
        let former = die_with_a_checkpoint_sent(stage);
        stage.start();
        stage.read();
        stage.wait(10);
        drop(former); // its transaction is still open
        stage.restart();
        stage.settle();
    });
}

/// Offsets are refused, as somebody else is the group now; then the process is a member again.
fn refusal(stage: &mut Stage) {
    stage.start();
    stage.read();
    stage.broker.group.adopt(stage.broker.now);
    stage.commit();
    stage.process.consumer.adopt(&mut stage.broker);
    stage.settle();
}

/// One transaction is committed, and in the next one a checkpoint is sent and nothing more.
fn die_with_a_checkpoint_sent(stage: &mut Stage) -> Process {
    stage.append(&QUIET);
    stage.start();
    stage.read();
    stage.commit();
    stage.append(&[(17.0, "north T1 24 3"), (17.2, "north T1 5 4")]);
    stage.read();
    stage.process.doom = Some((1, Doom::Freezes(60_000)));
    stage.tick(1_000);
    stage.replace()
}
