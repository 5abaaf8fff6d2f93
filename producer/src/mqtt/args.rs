//! What a person may order of the bridge from MQTT.

use std::path::PathBuf;
use std::time::Duration;

use domain::{Limits, TimeDelta};
use platform::json::MAX_READING_BYTES;
use platform::program::UsageError;
use rumqttc::{MqttOptions, Transport};

use super::broker::Broker;
use super::tls::{self, Identity};

/// The largest packet that MQTT knows, bytes. A message that is no reading for its size alone must be read to be
/// refused: the broker would send it for ever.
const LARGEST_PACKET: usize = 268_435_455;

/// The longest that MQTT knows.
const MOST_KEEP_ALIVE: Duration = Duration::from_secs(65_535);

const DAY: Duration = Duration::from_secs(86_400);

/// Which broker to listen to, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct MqttArgs {
    /// MQTT broker (3.1.1), `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS
    #[arg(long, env = "MQTT_BROKER")]
    pub broker: Broker,

    /// Topic filter to subscribe to with QoS 1, `+` and `#` as MQTT has them; may be repeated. `$share/GROUP/FILTER`
    /// shares the messages out among several of us
    #[arg(long = "topic", env = "MQTT_TOPIC", value_delimiter = ',', required = true)]
    pub topics: Vec<String>,

    /// Name of the session that the broker keeps while we are away; it must stay the same, and no two may have it. By
    /// default `veleta-` and the name of the host
    #[arg(long, env = "MQTT_CLIENT_ID")]
    pub client_id: Option<String>,

    /// User name; none by default
    #[arg(long, env = "MQTT_USERNAME")]
    pub username: Option<String>,

    /// Its password; better in the environment, where no list of processes shows it
    #[arg(
        long,
        env = "MQTT_PASSWORD",
        hide_env_values = true,
        requires = "username",
        default_value = ""
    )]
    pub password: Password,

    /// PEM file of the authorities that the broker's certificate may be signed by; by default those of the machine
    #[arg(long, env = "MQTT_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// PEM file of a certificate of our own, for brokers that ask for one
    #[arg(long, env = "MQTT_CLIENT_CERTIFICATE", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,

    /// PEM file of its private key
    #[arg(long, env = "MQTT_CLIENT_KEY", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,

    /// How often a silent connection is tried (1s to 65535s); a broker that does not answer is connected to anew
    #[arg(long, env = "MQTT_KEEP_ALIVE", default_value = "30s", value_parser = platform::duration::parse)]
    pub keep_alive: Duration,

    /// How far an event time may be ahead of our clock (0s to 1d), as the stream-aggregator has it for the broker's;
    /// readings beyond are refused
    #[arg(long, env = "EVENT_TIME_AHEAD", default_value = "30s", value_parser = platform::duration::parse)]
    pub event_time_ahead: Duration,
}

/// A password as typed.
#[derive(Clone, Default)]
pub struct Password(String);

impl MqttArgs {
    /// Whether it can work.
    ///
    /// # Errors
    /// [`UsageError`] naming what cannot, with its bound.
    pub fn check(&self) -> Result<(), UsageError> {
        self.options().map(drop)
    }

    /// What may be set about the rules.
    pub fn limits(&self) -> Limits {
        Limits {
            event_time_ahead: TimeDelta::from(self.event_time_ahead),
        }
    }

    /// The connection: a session that the broker keeps, and no acknowledgement of which we do not know.
    ///
    /// # Errors
    /// [`UsageError`] naming what cannot work, with its bound.
    pub fn options(&self) -> Result<MqttOptions, UsageError> {
        let bounded = |name: &str, value: Duration, least: Duration, most: Duration| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(UsageError(format!(
                "--{name} is {value:?}, {least:?} to {most:?} is wanted"
            )))
        };
        bounded(
            "keep-alive",
            self.keep_alive,
            Duration::from_secs(1),
            MOST_KEEP_ALIVE,
        )?;
        bounded("event-time-ahead", self.event_time_ahead, Duration::ZERO, DAY)?;
        if let Some(bad) = self.topics.iter().find(|topic| !rumqttc::valid_filter(topic)) {
            return Err(UsageError(format!(
                "--topic is '{bad}', which is no topic filter of MQTT"
            )));
        }
        let client_id = self.client_id.clone().unwrap_or_else(default_client_id);
        if client_id.is_empty() {
            return Err(UsageError(
                "--client-id is empty, which keeps no session".to_owned(),
            ));
        }
        let mut options = MqttOptions::new(client_id, &self.broker.host, self.broker.port);
        options
            .set_keep_alive(self.keep_alive)
            .set_clean_session(false)
            .set_manual_acks(true)
            .set_max_packet_size(LARGEST_PACKET, MAX_READING_BYTES);
        if let Some(username) = &self.username {
            options.set_credentials(username, &self.password.0);
        }
        if self.broker.tls {
            let identity = Identity {
                ca_file: self.ca_file.as_ref(),
                client: self.client_certificate.as_ref().zip(self.client_key.as_ref()),
            };
            options.set_transport(Transport::tls_with_config(tls::configuration(identity)?));
        }
        Ok(options)
    }
}

fn default_client_id() -> String {
    format!("veleta-{}", gethostname::gethostname().to_string_lossy())
}

impl std::str::FromStr for Password {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
