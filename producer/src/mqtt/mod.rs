//! Readings from an MQTT broker. A message is acknowledged to the broker only after Kafka has acknowledged its reading
//! (or its dead letter), and the session outlives the process: so whatever is killed, whenever, the broker sends again
//! what is not on Kafka for certain. What comes twice by that does no harm: of two equal readings the first one counts.

mod args;
mod bridge;
mod broker;
mod forward;
mod judge;
mod tls;
mod unacknowledged;

pub use args::MqttArgs;
pub use bridge::run;
pub use broker::{Broker, BrokerError};
pub use forward::{Delivery, Forwarder};
pub use judge::{Judged, judge};
pub use unacknowledged::{Ticket, Unacknowledged};
