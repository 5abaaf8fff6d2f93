//! The servers that tests run against.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use platform::{KafkaArgs, RegistryArgs};

/// Where the servers are, and the topic prefix of one test.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Brokers.
    pub bootstrap_servers: String,
    /// The registry's Confluent-compatible API.
    pub registry_url: String,
    /// A superuser's URL of the database server.
    pub admin_database_url: String,
    /// What this test's topics begin with.
    pub topic_prefix: String,
}

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Stack {
    /// The stack of this test run, with a topic prefix that nobody else uses.
    ///
    /// # Panics
    /// When the test was not started by `cargo xtask test`.
    pub fn for_test() -> Self {
        Self {
            bootstrap_servers: variable("KAFKA_BOOTSTRAP_SERVERS"),
            registry_url: variable("SCHEMA_REGISTRY_URL"),
            admin_database_url: variable("TEST_DATABASE_URL"),
            topic_prefix: format!("{}.", unique_name()),
        }
    }

    /// How to reach Kafka, as a program would be told.
    pub fn kafka(&self) -> KafkaArgs {
        self.parsed().kafka
    }

    /// How to reach the registry, as a program would be told.
    pub fn registry(&self) -> RegistryArgs {
        self.parsed().registry
    }

    /// The environment of a program of this test; its management server is off unless the test sets an address.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("KAFKA_BOOTSTRAP_SERVERS", self.bootstrap_servers.clone()),
            ("SCHEMA_REGISTRY_URL", self.registry_url.clone()),
            ("TOPIC_PREFIX", self.topic_prefix.clone()),
            ("MANAGEMENT_ADDRESS", "none".to_owned()),
            ("LOG_FORMAT", "human".to_owned()),
        ]
    }

    fn parsed(&self) -> Parsed {
        let Self {
            bootstrap_servers,
            registry_url,
            topic_prefix,
            ..
        } = self;
        Parsed::parse_from([
            "test",
            &format!("--kafka-bootstrap-servers={bootstrap_servers}"),
            &format!("--topic-prefix={topic_prefix}"),
            &format!("--schema-registry-url={registry_url}"),
        ])
    }
}

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: `cargo xtask test` starts the servers and sets it"))
}

/// A name that no other test has, in this run or another.
pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("t{:x}_{:x}_{count}", since_epoch.as_micros(), std::process::id())
}
