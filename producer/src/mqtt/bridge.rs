//! The loop between MQTT and Kafka.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use domain::Limits;
use metrics::{Counter, Gauge, counter, gauge};
use platform::{HealthHandle, fail_point};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, Outgoing, Publish, QoS, SubAck,
    SubscribeReasonCode,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::MqttArgs;
use super::forward::{Delivery, Forwarder};
use super::judge::{Judged, judge};
use super::unacknowledged::Unacknowledged;
use crate::pace::now;
use crate::summary::Summary;

/// How long a stopped bridge waits for what it has taken. What is left then comes again after the next start.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Acknowledgements that may wait to be written: more than a connection can have open.
const REQUESTS: usize = 2 * 65_536;

/// Forwards what the broker sends until `stop`; a broker or a Kafka that is away is waited for.
///
/// # Errors
/// When the settings are wrong, the broker refuses the subscription, or Kafka refuses a message for good: the broker
/// has it still.
pub async fn run(
    args: &MqttArgs,
    (forwarder, deliveries): (Forwarder, UnboundedReceiver<Delivery>),
    health: HealthHandle,
    stop: &CancellationToken,
) -> anyhow::Result<Summary> {
    let (client, events) = AsyncClient::new(args.options()?, REQUESTS);
    health.not_ready(format!("connecting to {}", args.broker));
    let mut bridge = Bridge {
        client,
        topics: &args.topics,
        limits: args.limits(),
        forwarder,
        deliveries,
        waiting: Unacknowledged::default(),
        is_connected: false,
        stopping: None,
        stop,
        health,
        summary: Summary::default(),
        metrics: Metrics::new(),
    };
    bridge.forward(events).await?;
    Ok(bridge.summary)
}

struct Bridge<'a> {
    client: AsyncClient,
    topics: &'a [String],
    limits: Limits,
    forwarder: Forwarder,
    deliveries: UnboundedReceiver<Delivery>,
    waiting: Unacknowledged,
    is_connected: bool,
    /// Once it is to stop: by when.
    stopping: Option<Instant>,
    stop: &'a CancellationToken,
    health: HealthHandle,
    summary: Summary,
    metrics: Metrics,
}

struct Metrics {
    messages: Counter,
    refused: Counter,
    acknowledged: Counter,
    disconnects: Counter,
    unacknowledged: Gauge,
}

impl Bridge<'_> {
    async fn forward(&mut self, mut events: EventLoop) -> anyhow::Result<()> {
        let mut waits = waits();
        while let Some(event) = self.next(&mut events).await? {
            match event {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    waits = self::waits();
                    self.connected()?;
                }
                Ok(Event::Incoming(Incoming::SubAck(answer))) => self.subscribed(&answer)?,
                Ok(Event::Incoming(Incoming::Publish(message))) => self.take(&message).await?,
                Ok(Event::Outgoing(Outgoing::Disconnect)) => break,
                Ok(_) => {}
                Err(error) => {
                    // what was read and not looked at comes again; looked at now, it would be taken for the new
                    // connection's
                    events.state.events.clear();
                    let wait = waits.next().unwrap_or(STOP_DEADLINE);
                    self.disconnected(&error, wait);
                    tokio::time::timeout(wait, self.stop.cancelled()).await.ok();
                }
            }
        }
        Ok(())
    }

    /// What happens next on the connection; none when all is done that is to be done before the end. The connection's
    /// own work is never cut short: it is not made for that.
    async fn next(
        &mut self,
        events: &mut EventLoop,
    ) -> anyhow::Result<Option<Result<Event, ConnectionError>>> {
        let mut event = pin!(events.poll());
        loop {
            if self.is_done() {
                return Ok(None);
            }
            let deadline = self.stopping.unwrap_or_else(Instant::now);
            tokio::select! {
                event = &mut event => return Ok(Some(event)),
                Some(delivery) = self.deliveries.recv() => self.delivered(delivery)?,
                () = self.stop.cancelled(), if self.stopping.is_none() => self.begin_to_stop()?,
                () = tokio::time::sleep_until(deadline), if self.stopping.is_some() => return Ok(None),
            }
        }
    }

    /// A stopped bridge that is connected ends when it has said goodbye, after the last acknowledgement.
    fn is_done(&self) -> bool {
        self.stopping.is_some() && !self.is_connected
    }

    fn begin_to_stop(&mut self) -> anyhow::Result<()> {
        self.stopping = Some(Instant::now() + STOP_DEADLINE);
        self.say_goodbye_if_done()
    }

    fn connected(&mut self) -> anyhow::Result<()> {
        self.is_connected = true;
        tracing::info!("connected to the MQTT broker");
        for topic in self.topics {
            self.client
                .try_subscribe(topic, QoS::AtLeastOnce)
                .with_context(|| format!("subscribing to {topic}"))?;
        }
        Ok(())
    }

    fn subscribed(&self, answer: &SubAck) -> anyhow::Result<()> {
        for code in &answer.return_codes {
            match code {
                SubscribeReasonCode::Success(QoS::AtMostOnce) => {
                    tracing::warn!(
                        "the MQTT broker grants QoS 0 only: what it sends while we are away is lost"
                    );
                }
                SubscribeReasonCode::Success(_) => {}
                SubscribeReasonCode::Failure => {
                    bail!(
                        "the MQTT broker refuses a subscription to {}",
                        self.topics.join(", ")
                    )
                }
            }
        }
        self.health.ready();
        Ok(())
    }

    fn disconnected(&mut self, error: &ConnectionError, wait: Duration) {
        let retry_in_ms = wait.as_millis() as u64;
        tracing::warn!(%error, retry_in_ms, "no connection to the MQTT broker");
        self.health
            .not_ready(format!("no connection to the MQTT broker: {error}"));
        self.metrics.disconnects.increment(1);
        self.is_connected = false;
        self.waiting.forget();
    }

    /// A stopped bridge takes no more: the broker keeps what was not acknowledged.
    async fn take(&mut self, message: &Publish) -> anyhow::Result<()> {
        if self.stopping.is_some() {
            return Ok(());
        }
        self.summary.read += 1;
        self.metrics.messages.increment(1);
        let judged = judge(&message.payload, now(), &self.limits);
        if let Judged::Refused { rejection, .. } = &judged {
            tracing::debug!(
                topic = message.topic,
                reason = rejection.reason,
                "message refused"
            );
            self.summary.refused += 1;
            self.metrics.refused.increment(1);
        }
        let ticket = self.waiting.receive(message.pkid);
        self.metrics.unacknowledged.set(self.waiting.len() as f64);
        fail_point::reach("mqtt-before-kafka");
        self.forwarder.send(&judged, ticket, self.stop).await?;
        self.summary.sent += 1;
        Ok(())
    }

    fn delivered(&mut self, delivery: Delivery) -> anyhow::Result<()> {
        delivery
            .result
            .context("a message was not delivered to Kafka; the MQTT broker has it still")?;
        self.waiting.deliver(delivery.ticket);
        while let Some(packet_id) = self.waiting.acknowledge() {
            fail_point::reach("mqtt-before-acknowledgement");
            self.client
                .try_ack(&packet(packet_id))
                .context("acknowledging to the MQTT broker")?;
            self.metrics.acknowledged.increment(1);
        }
        self.metrics.unacknowledged.set(self.waiting.len() as f64);
        self.say_goodbye_if_done()
    }

    /// Requests are written in order, so that this one comes after every acknowledgement.
    fn say_goodbye_if_done(&self) -> anyhow::Result<()> {
        if self.stopping.is_some() && self.is_connected && self.waiting.is_empty() {
            self.client
                .try_disconnect()
                .context("disconnecting from the MQTT broker")?;
        }
        Ok(())
    }
}

/// All that an acknowledgement needs of a message.
fn packet(packet_id: u16) -> Publish {
    let mut packet = Publish::new("", QoS::AtLeastOnce, Vec::new());
    packet.pkid = packet_id;
    packet
}

/// Growing intervals, jittered so that not all come back at once.
fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
        .build()
}

impl Metrics {
    fn new() -> Self {
        Self {
            messages: counter!("windfarm_producer_mqtt_messages_total"),
            refused: counter!("windfarm_producer_mqtt_refused_total"),
            acknowledged: counter!("windfarm_producer_mqtt_acknowledged_total"),
            disconnects: counter!("windfarm_producer_mqtt_disconnects_total"),
            unacknowledged: gauge!("windfarm_producer_mqtt_unacknowledged_messages"),
        }
    }
}
