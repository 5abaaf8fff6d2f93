//! Keeps an eye on Kafka: creates the topics that are missing, learns the schema's id, then says whether Kafka
//! answers.

use std::time::Duration;

use platform::{HealthHandle, KafkaArgs, topics};
use tokio_util::sync::CancellationToken;

use super::Publisher;

const INTERVAL: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(3);

/// Watches until `stop` is cancelled. What needs Kafka fails meanwhile; what does not, works.
pub async fn watch(kafka: KafkaArgs, publisher: Publisher, health: HealthHandle, stop: CancellationToken) {
    health.not_ready("waiting for kafka");
    if let Err(error) = topics::ensure(&kafka, &stop).await {
        health.not_ready(format!("topics: {error:#}"));
        if !stop.is_cancelled() {
            tracing::error!(error = format!("{error:#}"), "topics are not as they must be");
        }
        return;
    }
    health.not_ready("waiting for the schema registry");
    tokio::select! {
        learnt = publisher.learn_schema() => if let Err(error) = learnt {
            tracing::error!(error = format!("{error:#}"), "schema of the readings not registered");
            health.not_ready(format!("schema registry: {error:#}"));
            return;
        },
        () = stop.cancelled() => return,
    }
    loop {
        let asked = publisher.clone();
        match tokio::task::spawn_blocking(move || asked.ping(PATIENCE)).await {
            Ok(Ok(())) => health.ready(),
            Ok(Err(error)) => health.not_ready(error.to_string()),
            Err(error) => health.not_ready(error.to_string()),
        }
        if tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
