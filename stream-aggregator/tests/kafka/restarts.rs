//! The program killed where it hurts, moved and started again.

use std::time::Duration;

use domain::RawReading;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use testkit::{Program, eventually};

use crate::rig::{LIMIT, Rig};

/// Ten farms of two turbines, one reading each every 250 ms from `from_ms` to `to_ms`.
fn readings(rig: &Rig, from_ms: i64, to_ms: i64) -> Vec<RawReading<'static>> {
    let mut readings = Vec::new();
    for ms in (from_ms..to_ms).step_by(250) {
        for farm in 0..10 {
            for turbine in 0..2 {
                let power_kw = (ms % 977 + farm * 31 + turbine * 7) as f64;
                readings.push(rig.reading(&format!("farm-{farm}"), &format!("T{turbine}"), ms, power_kw));
            }
        }
    }
    readings
}

#[tokio::test(flavor = "multi_thread")]
async fn open_windows_survive_a_restart() {
    let rig = Rig::new().await;
    let mut program = rig.start("a");
    let (before, after) = (readings(&rig, 0, 3_000), readings(&rig, 3_000, 6_000));
    rig.send(&before);
    rig.until_processed().await;
    assert!(program.terminate(Duration::from_secs(20)).success());
    rig.send(&after);
    let _program = rig.start("b");
    rig.until_settled().await;
    rig.check(&[before, after].concat());
}

/// Runs until the fail point, then again without it.
async fn dies_at(point: &str) {
    let rig = Rig::new().await;
    let mut sent = readings(&rig, 0, 5_000);
    rig.send(&sent);
    let mut program = Program::start(rig.command("a").env("FAIL_POINT", point));
    let status = program.wait(LIMIT);
    assert!(
        !status.success() && status.code().is_none(),
        "not killed at {point}: {status}\n{}",
        rig.log()
    );
    let more = readings(&rig, 5_000, 8_000);
    rig.send(&more);
    sent.extend(more);
    let _program = rig.start("a");
    rig.until_settled().await;
    rig.check(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_with_everything_sent_and_nothing_acknowledged() {
    dies_at("before_drain:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_before_the_offsets_are_sent() {
    dies_at("before_send_offsets:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_between_offsets_and_commit() {
    dies_at("after_send_offsets:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_right_after_the_commit() {
    dies_at("after_commit:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_while_it_takes_partitions_up() {
    dies_at("before_restore:4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_processes_and_threads() {
    let rig = Rig::new().await;
    let mut sent = Vec::new();
    let mut step = {
        let rig = &rig;
        let mut at_ms = 0;
        move |sent: &mut Vec<RawReading<'static>>| {
            let more = readings(rig, at_ms, at_ms + 1_500);
            at_ms += 1_500;
            rig.send(&more);
            sent.extend(more);
        }
    };
    let mut a = rig.start("a");
    step(&mut sent);
    rig.until_processed().await;
    let mut b = Program::start(rig.command("b").env("THREADS", "2"));
    let assigned = |instances: usize| {
        let log = rig.log();
        (log.matches("partitions assigned").count() >= instances).then_some(())
    };
    step(&mut sent);
    eventually("partitions move to the second process", LIMIT, async || {
        assigned(3)
    })
    .await;
    step(&mut sent);
    rig.until_processed().await;
    a.kill();
    step(&mut sent);
    rig.until_processed().await;
    let mut c = rig.start("c");
    step(&mut sent);
    rig.until_processed().await;
    assert!(b.terminate(Duration::from_secs(20)).success());
    step(&mut sent);
    rig.until_settled().await;
    rig.check(&sent);
    assert!(c.terminate(Duration::from_secs(20)).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_gone_is_not_a_start_from_zero() {
    let rig = Rig::new().await;
    let sent = readings(&rig, 0, 3_000);
    rig.send(&sent);
    let mut program = rig.start("a");
    rig.until_settled().await;
    assert!(program.terminate(Duration::from_secs(20)).success());

    let admin: AdminClient<DefaultClientContext> = rig.stack.kafka().client_config("admin").create().unwrap();
    let group = format!("{}stream-aggregator", rig.stack.topic_prefix);
    eventually("the group is deleted", LIMIT, async || {
        let deleted = admin
            .delete_groups(&[&group], &AdminOptions::new())
            .await
            .unwrap();
        deleted[0].is_ok().then_some(())
    })
    .await;
    let mut program = rig.start("a");
    assert_eq!(program.wait(LIMIT).code(), Some(1), "{}", rig.log());
    assert!(
        rig.log().contains("the group's committed offset is gone"),
        "{}",
        rig.log()
    );
    rig.check(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_by_the_brokers_own_protocol_too() {
    let rig = Rig::new().await;
    let start = |instance: &str| {
        let mut command = rig.command(instance);
        // by this protocol the broker refuses the name of a member that it has not heard to leave
        Program::start(
            command
                .env("GROUP_PROTOCOL", "consumer")
                .env_remove("INSTANCE_ID"),
        )
    };
    let mut a = start("a");
    let assigned = || rig.log().contains("partitions assigned").then_some(());
    eventually("the first process has all partitions", LIMIT, async || assigned()).await;
    let mut sent = readings(&rig, 0, 1_500);
    rig.send(&sent);
    rig.until_processed().await;
    let _b = start("b");
    let moved = || rig.log().contains("partitions revoked").then_some(());
    eventually("partitions move to the second process", LIMIT, async || moved()).await;
    for from_ms in [1_500, 3_000] {
        let more = readings(&rig, from_ms, from_ms + 1_500);
        rig.send(&more);
        sent.extend(more);
        rig.until_processed().await;
    }
    assert!(a.terminate(Duration::from_secs(20)).success());
    let more = readings(&rig, 4_500, 6_000);
    rig.send(&more);
    sent.extend(more);
    rig.until_settled().await;
    rig.check(&sent);
}
