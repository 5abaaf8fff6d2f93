//! `producer mqtt` between a real MQTT broker (Debian's mosquitto) and the real Kafka.
#![allow(clippy::unwrap_used, reason = "a test may end by a panic")]

mod forwarding;
mod losses;
mod mosquitto;
mod rig;
