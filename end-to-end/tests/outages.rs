//! Servers that go away while everything runs. One test at a time: they share the servers.

use std::time::Duration;

use end_to_end::{Servers, System};
use testkit::eventually;
use tokio::sync::Mutex;

static SERVERS: Mutex<()> = Mutex::const_new(());

const STORED: &str = "SELECT count(*)::float8 FROM readings";

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_goes_on_without_the_registry() {
    let _alone = SERVERS.lock().await;
    let (system, servers) = (System::new().await, Servers::of_this_run());
    let (_aggregator, _sink) = (system.start_aggregator(), system.start_sink());
    let mut producer = system.start_producer(&["simulate", "--interval", "200ms", "--turbines", "5"]);
    system.wait_for_figure(STORED, 50.0).await;

    servers.stop("registry");
    let before = system.figure(STORED).await;
    system.wait_for_figure(STORED, before + 200.0).await;
    servers.start("registry");

    assert!(producer.terminate(Duration::from_secs(30)).success());
    system.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_waits_for_postgresql_and_catches_up() {
    let _alone = SERVERS.lock().await;
    let (system, servers) = (System::new().await, Servers::of_this_run());
    let (_aggregator, mut sink) = (system.start_aggregator(), system.start_sink());
    let mut producer = system.start_producer(&["simulate", "--interval", "200ms", "--turbines", "5"]);
    system.wait_for_figure(STORED, 50.0).await;
    let before = system.figure(STORED).await;

    servers.stop("postgres");
    tokio::time::sleep(Duration::from_secs(60)).await; // an outage of a minute is what is tested
    assert!(sink.is_running(), "the sink waits");
    servers.start("postgres");

    // 25 readings a second went on during the outage
    eventually("the sink catches up", Duration::from_secs(60), || async {
        system
            .try_figure(STORED)
            .await
            .filter(|&stored| stored > before + 1_400.0)
    })
    .await;
    assert!(producer.terminate(Duration::from_secs(30)).success());
    system.verify();
}
