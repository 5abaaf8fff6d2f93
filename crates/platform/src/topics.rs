//! Our topics: their names, their settings, and making those that are missing.

use std::time::Duration;

use anyhow::{Context, bail};
use backon::{ExponentialBuilder, Retryable};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use tokio_util::sync::CancellationToken;

use crate::KafkaArgs;

/// How long a broker may take to create topics or tell their settings.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to list topics before we ask again: the wish to stop is heard only between two tries.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Twice what Kafka takes by default, bytes.
const TWICE_A_READING: &str = "2097176";

/// The names of our topics, prefix included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// What turbines report.
    pub readings: String,
    /// Closed windows of farms.
    pub farm_windows: String,
    /// Closed windows of turbines.
    pub turbine_windows: String,
    /// Readings whose window had closed.
    pub late_readings: String,
    /// What could not be taken, with the reason.
    pub dead_letters: String,
    /// What a partition's owner must know besides its readings.
    pub checkpoints: String,
}

/// A topic and the settings that we rely on; all else is the broker's default.
struct TopicSpec {
    name: String,
    settings: &'static [(&'static str, &'static str)],
}

impl Topics {
    /// The names under `prefix` (`windfarm.`).
    pub fn new(prefix: &str) -> Self {
        let name = |topic: &str| format!("{prefix}{topic}");
        Self {
            readings: name("readings"),
            farm_windows: name("farm-windows"),
            turbine_windows: name("turbine-windows"),
            late_readings: name("late-readings"),
            dead_letters: name("dead-letters"),
            checkpoints: name("checkpoints"),
        }
    }

    fn specs(&self) -> Vec<TopicSpec> {
        let spec = |name: &String, settings| TopicSpec {
            name: name.clone(),
            settings,
        };
        vec![
            // the broker's clock is the one reference for "in the future" and for idleness, and part of the log
            spec(&self.readings, &[("message.timestamp.type", "LogAppendTime")]),
            spec(&self.farm_windows, &[]),
            spec(&self.turbine_windows, &[]),
            // what was as large as the readings allow gets headers besides
            spec(&self.late_readings, &[("max.message.bytes", TWICE_A_READING)]),
            spec(&self.dead_letters, &[("max.message.bytes", TWICE_A_READING)]),
            // 35 bytes for each farm of a partition
            spec(
                &self.checkpoints,
                &[("cleanup.policy", "compact"), ("max.message.bytes", "10485760")],
            ),
        ]
    }
}

/// Creates the topics that are missing and reports, by name, existing ones with other settings; never alters one.
/// Waits for the broker as long as need be. Returns the number of partitions that all of them have.
///
/// # Errors
/// When the topics differ in their number of partitions (a farm could not have one partition everywhere), when the
/// broker refuses to create one, or when `stop` is cancelled first.
pub async fn ensure(kafka: &KafkaArgs, stop: &CancellationToken) -> anyhow::Result<i32> {
    let admin: AdminClient<DefaultClientContext> = kafka
        .client_config("windfarm-topics")
        .create()
        .context("kafka client for the topics")?;
    let attempt = || async { ensure_once(&admin, kafka).await };
    let patient = attempt
        .retry(
            ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(Duration::from_millis(100))
                .with_max_delay(Duration::from_secs(5))
                .without_max_times(),
        )
        .when(|error| !error.is::<Mismatch>())
        .notify(|error, delay| {
            if error.is::<Created>() {
                return; // as it should be
            }
            tracing::warn!(
                error = format!("{error:#}"),
                retry_in_ms = delay.as_millis() as u64,
                "kafka is not there yet"
            );
        });
    tokio::select! {
        partitions = patient => partitions,
        () = stop.cancelled() => bail!("stopped while waiting for kafka at {}", kafka.bootstrap_servers),
    }
}

async fn ensure_once(admin: &AdminClient<DefaultClientContext>, kafka: &KafkaArgs) -> anyhow::Result<i32> {
    let specs = kafka.topics().specs();
    let existing = partition_counts(admin, &specs)?;
    let partitions = existing
        .iter()
        .flatten()
        .next()
        .copied()
        .unwrap_or(kafka.topic_partitions);
    let (missing, present): (Vec<_>, Vec<_>) = specs
        .iter()
        .zip(&existing)
        .partition(|(_, count)| count.is_none());

    for (spec, count) in &present {
        if **count != Some(partitions) {
            bail!(Mismatch(format!(
                "topic {} has {} partitions, the others have {partitions}: all must have the same number",
                spec.name,
                count.unwrap_or_default()
            )));
        }
    }
    if !missing.is_empty() {
        create(
            admin,
            missing.into_iter().map(|(spec, _)| spec),
            partitions,
            kafka.topic_replication_factor,
        )
        .await?;
        bail!(Created); // by whom and with how many partitions shows when we look again
    }
    report_other_settings(admin, present.into_iter().map(|(spec, _)| spec)).await?;
    Ok(partitions)
}

/// A state of the topics that waiting cannot mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mismatch(String);

/// Topics that were missing have been created, by us or by another program; brokers may not tell of them yet.
#[derive(Debug, thiserror::Error)]
#[error("topics are being created")]
struct Created;

/// The number of partitions of each topic, none for one that does not exist.
fn partition_counts(
    admin: &AdminClient<DefaultClientContext>,
    specs: &[TopicSpec],
) -> anyhow::Result<Vec<Option<i32>>> {
    // one look at the whole cluster: asking for a missing topic by name might create it
    let metadata = tokio::task::block_in_place(|| admin.inner().fetch_metadata(None, METADATA_TIMEOUT))
        .context("topic list")?;
    let count_of = |name: &str| {
        metadata
            .topics()
            .iter()
            .find(|topic| topic.name() == name)
            .map(|topic| topic.partitions().len() as i32)
    };
    Ok(specs.iter().map(|spec| count_of(&spec.name)).collect())
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    specs: impl Iterator<Item = &TopicSpec>,
    partitions: i32,
    replication_factor: i32,
) -> anyhow::Result<()> {
    let topics: Vec<_> = specs
        .map(|spec| {
            let topic = NewTopic::new(
                &spec.name,
                partitions,
                TopicReplication::Fixed(replication_factor),
            );
            spec.settings
                .iter()
                .fold(topic, |topic, (key, value)| topic.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .operation_timeout(Some(TIMEOUT))
        .request_timeout(Some(TIMEOUT));
    for result in admin
        .create_topics(&topics, &options)
        .await
        .context("creating topics")?
    {
        match result {
            Ok(name) => tracing::info!(topic = name, partitions, "topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {} // another program was quicker
            Err((name, code @ (RDKafkaErrorCode::RequestTimedOut | RDKafkaErrorCode::OperationTimedOut))) => {
                bail!("creating topic {name}: {code}")
            }
            Err((name, code)) => bail!(Mismatch(format!("creating topic {name}: {code}"))),
        }
    }
    Ok(())
}

/// The largest record, or batch of them, that each topic takes, in bytes; none where the broker does not say.
///
/// # Errors
/// When the broker does not answer.
pub async fn largest_messages<const N: usize>(
    kafka: &KafkaArgs,
    topics: [&str; N],
) -> anyhow::Result<[Option<usize>; N]> {
    let admin: AdminClient<DefaultClientContext> = kafka
        .client_config("windfarm-topics")
        .create()
        .context("kafka client for the topics")?;
    let resources = topics.map(ResourceSpecifier::Topic);
    let described = admin
        .describe_configs(&resources, &AdminOptions::new().request_timeout(Some(TIMEOUT)))
        .await
        .context("settings of the topics")?;
    let mut largest = [None; N];
    for (largest, resource) in largest.iter_mut().zip(described) {
        let told = resource.ok();
        let setting = told
            .as_ref()
            .and_then(|resource| resource.get("max.message.bytes"));
        *largest = setting.and_then(|entry| entry.value.as_deref()?.parse().ok());
    }
    Ok(largest)
}

async fn report_other_settings(
    admin: &AdminClient<DefaultClientContext>,
    specs: impl Iterator<Item = &TopicSpec>,
) -> anyhow::Result<()> {
    let specs: Vec<_> = specs.filter(|spec| !spec.settings.is_empty()).collect();
    if specs.is_empty() {
        return Ok(());
    }
    let resources: Vec<_> = specs
        .iter()
        .map(|spec| ResourceSpecifier::Topic(&spec.name))
        .collect();
    let described = admin
        .describe_configs(&resources, &AdminOptions::new().request_timeout(Some(TIMEOUT)))
        .await?;
    for (spec, resource) in specs.iter().zip(described) {
        let Ok(resource) = resource else { continue }; // no right to look is no reason to stop
        for (key, wanted) in spec.settings {
            let found = resource
                .get(key)
                .and_then(|entry| entry.value.as_deref())
                .unwrap_or("unset");
            if found != *wanted {
                tracing::warn!(
                    topic = spec.name,
                    setting = key,
                    found,
                    wanted,
                    "topic has another setting; it is left as it is"
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix() {
        let topics = Topics::new("windfarm.");
        assert_eq!(topics.readings, "windfarm.readings");
        assert_eq!(topics.dead_letters, "windfarm.dead-letters");
        assert_eq!(topics.specs().len(), 6);
    }
}
