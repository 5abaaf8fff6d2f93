//! A process that was frozen for longer than its session wakes up, and changes nothing.

use std::time::Duration;

use crate::make::nth;
use crate::rig::{LIMIT, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn frozen_between_two_statements_it_holds_nobody_up_and_changes_nothing() {
    frozen_at("after-claim:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_amid_rows_it_holds_nobody_up_and_changes_nothing() {
    frozen_at("amid-copy:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_before_it_hears_that_it_has_stored_it_changes_nothing() {
    frozen_at("after-commit:2").await;
}

async fn frozen_at(point: &str) {
    let rig = Rig::new().await;
    let mut sent = 0;
    let mut zombie = rig.spawn_mortal(&[("FAIL_POINT", point), ("FAIL_ACTION", "stop")]);
    let deadline = std::time::Instant::now() + LIMIT;
    while !is_frozen(zombie.pid()) {
        assert!(std::time::Instant::now() < deadline, "{point} was not reached");
        send(&rig, &mut sent, 20).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    send(&rig, &mut sent, 100).await;
    let mut heir = rig.spawn_mortal(&[]);
    rig.until("SELECT count(*) FROM readings", sent).await;
    let before = state(&rig).await;

    zombie.signal("CONT");
    send(&rig, &mut sent, 50).await;
    rig.until("SELECT count(*) FROM readings", sent).await;
    assert!(
        zombie.terminate(LIMIT).success(),
        "it goes on as a member like any other"
    );
    assert!(heir.terminate(LIMIT).success());
    assert_eq!(before, [sent - 50, 0, 0]);
    assert_eq!(state(&rig).await, [sent, 0, 0]);
}

fn is_frozen(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status
        .rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('T'))
}

async fn send(rig: &Rig, sent: &mut i64, count: i64) {
    let readings: Vec<_> = (*sent..*sent + count).map(nth).collect();
    rig.send_readings(&readings).await;
    *sent += count;
}

/// Rows stored, counted twice, refused.
async fn state(rig: &Rig) -> [i64; 3] {
    let mut sums = [0; 3];
    for (sum, column) in sums.iter_mut().zip(["stored", "duplicates", "refused"]) {
        let sql = format!("SELECT sum({column})::bigint FROM kafka_offsets");
        *sum = rig.number(&sql).await;
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_at_rest_it_changes_nothing_either() {
    let rig = Rig::new().await;
    let mut sent = 0;
    // so that something has been read and is not stored when it is frozen
    let mut zombie = rig.spawn_mortal(&[("BATCH_AGE", "30s"), ("BATCH_ROWS", "1000")]);
    rig.until("SELECT count(*) FROM kafka_offsets", 30).await;
    send(&rig, &mut sent, 200).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // it may read them; the claim holds if it has not, too
    zombie.signal("STOP");
    let mut heir = rig.spawn_mortal(&[]);
    rig.until("SELECT count(*) FROM readings", sent).await;
    let before = state(&rig).await;
    zombie.signal("CONT");
    assert!(zombie.terminate(LIMIT).success());
    assert_eq!(state(&rig).await, before);
    assert!(heir.terminate(LIMIT).success());
    assert_eq!(before[1..], [0, 0]);
}
