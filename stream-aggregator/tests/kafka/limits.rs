//! Where it must go on all the same, and where it must not go on for ever.

use std::net::TcpListener;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use testkit::{Program, eventually};

use crate::rig::{LIMIT, Rig};

/// What no compression makes smaller, and no reading is.
fn noise(bytes: u64) -> Vec<u8> {
    let noise = (1..bytes).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_mul(n | 1) >> 40) as u8);
    std::iter::once(1).chain(noise).collect()
}

fn admin(rig: &Rig) -> AdminClient<DefaultClientContext> {
    rig.stack.kafka().client_config("admin").create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_its_topic_has_no_room_for_is_cut() {
    let rig = Rig::new().await;
    let topic = ResourceSpecifier::Topic(&rig.topics.dead_letters);
    let small = AlterConfig::new(topic).set("max.message.bytes", "10000");
    let altered = admin(&rig)
        .alter_configs([&small], &AdminOptions::new())
        .await
        .unwrap();
    altered[0].as_ref().unwrap();
    // one that is too large, and many that are so together
    let letters = [
        noise(50_000),
        noise(8_000),
        noise(8_001),
        noise(8_002),
        noise(8_003),
    ];
    for letter in &letters {
        rig.send_large(b"north", letter);
    }
    rig.send(&[rig.reading("north", "T1", 0, 1.0)]);
    let _program = rig.start("a");
    rig.until_settled().await;
    let told = rig.committed(&rig.topics.dead_letters);
    assert_eq!(told.len(), letters.len());
    let (cut, whole) = told.split_first().unwrap();
    assert!(
        letters[0].starts_with(&cut.payload) && (9_000..10_000).contains(&cut.payload.len()),
        "{}",
        cut.payload.len()
    );
    assert_eq!(cut.headers["original.value.bytes"], "50000");
    assert_eq!(cut.headers["dlq.rule"], "undecodable");
    assert_eq!(cut.headers["dlq.source.topic"], rig.topics.readings);
    for (letter, told) in letters[1..].iter().zip(whole) {
        assert!(told.payload == *letter && !told.headers.contains_key("original.value.bytes"));
    }
    assert_eq!(rig.farm_windows().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_of_checkpoints_ends_it_with_the_reason() {
    let rig = Rig::new().await;
    let mut program = rig.start("a");
    rig.send(&[rig.reading("north", "T1", 0, 1.0)]);
    rig.until_settled().await;
    let deleted = admin(&rig)
        .delete_topics(&[&rig.topics.checkpoints], &AdminOptions::new())
        .await
        .unwrap();
    deleted[0].as_ref().unwrap();
    rig.send(&[rig.reading("north", "T1", 10_000, 1.0)]);
    assert_eq!(program.wait(LIMIT * 2).code(), Some(1), "{}", rig.log());
    let log = rig.log();
    assert!(log.contains("the topic of checkpoints"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_given_no_partition_by_the_brokers_own_protocol_is_ready() {
    let rig = Rig::new().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let command = || {
        let mut command = rig.command("a");
        command
            .envs([("GROUP_PROTOCOL", "consumer"), ("THREADS", "7")])
            .env_remove("INSTANCE_ID")
            .env("MANAGEMENT_ADDRESS", free.to_string());
        command
    };
    let _program = Program::start(&mut command());
    eventually("it is ready", LIMIT, async || {
        let mut check = command();
        check.arg("healthcheck");
        let checked = tokio::task::spawn_blocking(move || check.status().unwrap());
        checked.await.unwrap().success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_with_one_name_the_former_ends_and_says_why() {
    let rig = Rig::new().await;
    let mut former = rig.start("a");
    rig.send(&[rig.reading("north", "T1", 0, 1.0)]);
    rig.until_settled().await;
    let _latter = rig.start("a");
    assert_eq!(former.wait(LIMIT).code(), Some(1), "{}", rig.log());
    assert!(rig.log().contains("ended by an error"), "{}", rig.log());
    rig.send(&[rig.reading("north", "T1", 10_000, 1.0)]);
    rig.until_settled().await;
    assert_eq!(rig.farm_windows().len(), 2);
}
