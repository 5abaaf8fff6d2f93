//! The sink on a real Kafka, a real registry and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod dead_letters;
mod flow;
mod kills;
mod make;
mod members;
mod metrics;
mod outages;
mod refusals;
mod retention;
mod revising;
mod rig;
mod roll_ups;
mod rows;
mod storing;
mod verified;
mod zombies;
