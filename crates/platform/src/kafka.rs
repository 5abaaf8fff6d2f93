//! How to reach Kafka.

use std::fmt;
use std::str::FromStr;

use rdkafka::ClientConfig;

use crate::Topics;

/// Where Kafka is and what our topics there are called.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    /// Brokers to start from, `host:port,host:port`
    #[arg(
        long = "kafka-bootstrap-servers",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "localhost:9092"
    )]
    pub bootstrap_servers: String,

    /// Further librdkafka settings for every client, `key=value,key=value` (TLS, SASL, …); those that nothing lost and
    /// nothing doubled rests on stay ours
    #[arg(
        long = "kafka-config",
        env = "KAFKA_CONFIG",
        default_value = "",
        hide_env_values = true
    )]
    pub config: ClientSettings,

    /// What the names of all topics begin with, so that several installations share a broker
    #[arg(long, env = "TOPIC_PREFIX", default_value = "windfarm.")]
    pub topic_prefix: String,

    /// Partitions of each topic when it is created
    #[arg(long, env = "TOPIC_PARTITIONS", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub topic_partitions: i32,

    /// Replicas of each topic when it is created; -1 is the broker's default
    #[arg(long, env = "TOPIC_REPLICATION_FACTOR", default_value_t = -1, allow_negative_numbers = true)]
    pub topic_replication_factor: i32,
}

impl KafkaArgs {
    /// Settings that all our clients share; `client_id` must be unique among the members of a group.
    pub fn client_config(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", client_id)
            .set("allow.auto.create.topics", "false");
        for (key, value) in &self.config.0 {
            config.set(key, value);
        }
        config
    }

    /// Settings of a producer that neither loses nor doubles what it sends, and places a farm where the Java
    /// clients would.
    pub fn producer_config(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client_config(client_id);
        for (key, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", "lz4"),
            ("partitioner", "murmur2_random"),
        ] {
            config.set(key, value);
        }
        config
    }

    /// The names of our topics.
    pub fn topics(&self) -> Topics {
        Topics::new(&self.topic_prefix)
    }
}

/// librdkafka settings as typed: `key=value,key=value`. A part without `=` belongs to the value before it, so that
/// values may hold commas.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientSettings(Vec<(String, String)>);

impl FromStr for ClientSettings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut settings: Vec<(String, String)> = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            match (part.split_once('='), settings.last_mut()) {
                (Some((key, value)), _) => settings.push((key.trim().to_owned(), value.to_owned())),
                (None, Some((_, value))) => {
                    value.push(',');
                    value.push_str(part);
                }
                (None, None) => return Err(format!("'{part}' has no '=', wanted is key=value,key=value")),
            }
        }
        Ok(Self(settings))
    }
}

impl fmt::Debug for ClientSettings {
    /// Only the keys: the values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_split_at_commas_that_begin_a_new_key() {
        let settings: ClientSettings = "security.protocol=SASL_SSL,ssl.cipher.suites=A,B, sasl.username=me"
            .parse()
            .unwrap();
        let expected = [
            ("security.protocol", "SASL_SSL"),
            ("ssl.cipher.suites", "A,B"),
            ("sasl.username", "me"),
        ];
        assert_eq!(settings.0, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!("".parse::<ClientSettings>().unwrap().0.is_empty());
        assert!("nonsense".parse::<ClientSettings>().is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings: ClientSettings = "sasl.password=hunter2".parse().unwrap();
        assert_eq!(format!("{settings:?}"), r#"{"sasl.password"}"#);
    }
}
