//! Programs that are killed at random moments, again and again, and lose or double nothing.

use std::time::Duration;

use end_to_end::System;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_of_the_aggregator_and_of_the_sink_lose_and_double_nothing() {
    let system = System::new().await;
    let (mut aggregator, mut sink) = (system.start_aggregator(), system.start_sink());
    // two hours of event time in as long as the kills take, and then some
    let faults = "duplicate=0.01,late=0.01,undecodable=0.001";
    let arguments = [
        "simulate",
        "--farms",
        "4",
        "--duration",
        "2h",
        "--speedup",
        "120",
        "--faults",
        faults,
    ];
    let mut producer = system.start_producer(&arguments);

    let mut moments = StdRng::seed_from_u64(7);
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(moments.random_range(200..3_000))).await;
        aggregator.kill();
        aggregator = system.start_aggregator();
        tokio::time::sleep(Duration::from_millis(moments.random_range(200..3_000))).await;
        sink.kill();
        sink = system.start_sink();
    }
    assert!(producer.wait(Duration::from_secs(240)).success());
    system.verify();
    assert!(system.figure("SELECT count(*)::float8 FROM readings").await > 250_000.0);
}
