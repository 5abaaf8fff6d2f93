//! What comes out of what goes in.

use std::time::Duration;

use domain::{CloseReason, Metric};
use testkit::eventually;

use crate::rig::{LIMIT, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn windows_close_by_stream_time_and_idleness_and_name_their_turbines() {
    let rig = Rig::new().await;
    let mut program = rig.start("a");
    let readings = [
        rig.reading("north", "T1", 100, 700.0),
        rig.reading("north", "T2", 100, 900.0),
        rig.reading("north", "T1", 1_900, 300.0),
        rig.reading("south", "T1", 500, 50.0),
        rig.reading("north", "T2", 2_000, 10.0),
        rig.reading("north", "T2", 2_500, 20.0), // its grace over, the first window of north closes
    ];
    rig.send(&readings);
    rig.until_settled().await;

    rig.check(&readings);
    let windows = rig.farm_windows();
    let north: Vec<_> = windows
        .iter()
        .filter(|closed| closed.window.farm_id.as_str() == "north")
        .collect();
    assert_eq!(north[0].close_reason, CloseReason::StreamTime);
    assert_eq!(north[1].close_reason, CloseReason::Idle);
    let power = north[0].window.metrics.get(Metric::ActivePower).unwrap();
    assert_eq!(
        (power.max().turbine_id.as_str(), power.max().value),
        ("T2", 900.0)
    );
    assert_eq!(
        (power.min().turbine_id.as_str(), power.min().event_time),
        ("T1", rig.at(1_900))
    );
    let place = rig
        .committed(&rig.topics.farm_windows)
        .into_iter()
        .find(|record| record.key == b"north");
    assert_eq!(place.unwrap().partition, rig.partition_of("north"));
    assert!(program.terminate(Duration::from_secs(20)).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_or_refused_goes_on_untouched_with_its_reason() {
    let rig = Rig::new().await;
    let _program = rig.start("a");
    let good = [
        rig.reading("north", "T1", 0, 1.0),
        rig.reading("north", "T1", 2_600, 2.0),
    ];
    let late = rig.reading("north", "T1", 700, 3.0);
    let mut refused = rig.reading("north", "T1", 2_700, 4.0);
    refused.metrics.set(Metric::WindSpeed, Some(80.0));
    rig.send(&good);
    rig.send(&[late.clone(), refused.clone()]);
    rig.send_bytes(b"south", &rig.encode(&good[0]));
    rig.send_bytes(b"north", b"\x01nonsense");
    let mut unknown = rig.encode(&good[0]);
    unknown[1..5].copy_from_slice(&987_654_321_u32.to_be_bytes());
    rig.send_bytes(b"north", &unknown);
    rig.until_settled().await;

    let windows = rig.farm_windows();
    let counts: Vec<_> = windows
        .iter()
        .map(|c| (c.window.reading_count, c.window.rejected_count))
        .collect();
    assert_eq!(counts, [(1, 0), (1, 1)]);

    let lates = rig.committed(&rig.topics.late_readings);
    assert_eq!(lates.len(), 1);
    assert_eq!(
        (lates[0].key.as_slice(), &lates[0].payload),
        (&b"north"[..], &rig.encode(&late))
    );
    assert_eq!(lates[0].headers["late.by_ms"], "100");
    assert_eq!(lates[0].headers["late.window_start"], rig.at(0).to_string());
    assert_eq!(lates[0].headers["late.source.topic"], rig.topics.readings);

    let letters = rig.committed(&rig.topics.dead_letters);
    let by_rule = |rule: &str| {
        letters
            .iter()
            .filter(|letter| letter.headers["dlq.rule"] == rule)
            .collect::<Vec<_>>()
    };
    let range = by_rule("wind_speed_mps");
    assert_eq!(range.len(), 1);
    assert_eq!(
        (&range[0].payload, range[0].headers["dlq.value"].as_str()),
        (&rig.encode(&refused), "80")
    );
    assert_eq!(range[0].headers["dlq.bound"], "[0, 75]");
    assert_eq!(range[0].headers["dlq.component"], "stream-aggregator");
    let mismatch = by_rule("key_mismatch");
    assert_eq!((mismatch.len(), mismatch[0].key.as_slice()), (1, &b"south"[..]));
    let undecodable = by_rule("undecodable");
    let payloads: Vec<_> = undecodable
        .iter()
        .map(|letter| letter.payload.as_slice())
        .collect();
    assert_eq!(payloads, [b"\x01nonsense", unknown.as_slice()]);
    assert!(
        undecodable[1].headers["dlq.reason"].contains("987654321"),
        "{:?}",
        undecodable[1]
    );
    assert_eq!(letters.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_end_it_with_code_2() {
    let rig = Rig::new().await;
    let mut program = testkit::Program::start(rig.command("a").env("COMMIT_INTERVAL", "50s"));
    assert_eq!(program.wait(LIMIT).code(), Some(2));
    assert!(rig.log().contains("--transaction-timeout is 3s"), "{}", rig.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_is_ready() {
    let rig = Rig::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let command = || {
        let mut command = rig.command("a");
        command.env("MANAGEMENT_ADDRESS", free.to_string());
        command
    };
    let check = async || {
        let mut command = command();
        command.arg("healthcheck");
        tokio::task::spawn_blocking(move || command.status().unwrap().success())
            .await
            .unwrap()
    };
    assert!(!check().await);
    let _program = testkit::Program::start(&mut command());
    eventually("it is ready", LIMIT, async || check().await.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_too_large_to_be_refused() {
    let rig = Rig::new().await;
    let _program = rig.start("a");
    // no compression makes it smaller
    let noise =
        (0..1_048_399_u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_mul(n | 1) >> 40) as u8);
    let noise: Vec<u8> = std::iter::once(1).chain(noise).collect();
    rig.send_large(b"north", &noise);
    rig.send(&[rig.reading("north", "T1", 0, 1.0)]);
    rig.until_settled().await;
    let letters = rig.committed(&rig.topics.dead_letters);
    assert!(letters.len() == 1 && letters[0].payload == noise);
    assert_eq!(rig.farm_windows().len(), 1);
}
