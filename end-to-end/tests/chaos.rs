//! A life made hard, for a short while; `cargo xtask chaos` does it for longer.

use std::time::Duration;

use end_to_end::chaos::{self, AggregatorScenario, SinkScenario};
use stream_aggregator::GroupProtocol;
use tokio::sync::Mutex;

/// One at a time: they share the servers.
static SERVERS: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn three_sinks_lose_and_double_nothing_whatever_happens_to_them() {
    let _alone = SERVERS.lock().await;
    let scenario = SinkScenario {
        // its ten events are of every kind, and those who are frozen are so early on
        seed: Some(212),
        events: 10,
        readings: 50_000,
        freeze: Duration::from_secs(12),
        logs: None,
    };
    chaos::sink(scenario).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_aggregators_lose_and_double_nothing_whatever_happens_to_them() {
    let _alone = SERVERS.lock().await;
    let scenario = AggregatorScenario {
        // its six events are of every kind, with a kill -9 of Kafka and a freeze early on
        seed: Some(876),
        events: 6,
        group_protocol: GroupProtocol::Classic,
        freeze: Duration::from_secs(7),
        logs: None,
    };
    chaos::aggregator(scenario).await.unwrap();
}
