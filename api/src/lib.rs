//! REST over the wind farms' readings and windows: history from PostgreSQL, readings taken in through Kafka, what
//! happens as it happens ([`live`]), keys, and the words of the first system for its clients. [`Application`] serves;
//! [`routes`] is the one list of what.
//!
//! **Invariant.** A reading is answered for only when Kafka has it, and nothing is told without a key, but for the
//! documentation.

pub mod application;
pub mod args;
pub mod auth;
pub mod background;
pub mod calendar;
pub mod clock;
pub mod connections;
pub mod error;
pub mod export;
pub mod handlers;
pub mod ingest;
pub mod kafka;
pub mod key_command;
pub mod legacy;
pub mod line_protocol;
pub mod live;
pub mod middleware;
pub mod model;
pub mod openapi;
pub mod page;
pub mod params;
pub mod provisional;
pub mod queries;
pub mod rolling;
pub mod routes;
pub mod tag;
pub mod tls;

use anyhow::Context;
use platform::Health;
use tokio_util::sync::CancellationToken;

pub use application::Application;
pub use args::{ApiArgs, Args, Command, DatabaseArgs, LegacyArgs, MANAGEMENT_PORT};
pub use openapi::document as openapi_document;

/// Serves until `stop` is cancelled, then answers what was asked before it ends.
///
/// # Errors
/// When a setting makes no sense or an address cannot be listened on. Servers that are away are waited for.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    args.check()?;
    background::open_all_files();
    let health = Health::default();
    args.management
        .serve(MANAGEMENT_PORT, health.clone(), stop.clone())?;
    let application = Application::build(&args, &health, &stop).context("starting the API")?;
    tracing::info!(port = application.port(), "serving");
    application.run_until_stopped(stop).await
}
