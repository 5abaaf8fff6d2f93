//! The API itself, as a process of its own.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench::free_address;
use testkit::{Database, Program, Stack, binary};

use crate::http::{Connection, request};

const PATIENCE: Duration = Duration::from_secs(60);

/// A key that may do everything.
pub(crate) const KEY: &str = "bench-0123456789abcdefghij";

/// The farm that everything is asked of, which is also that of the first system's paths.
pub(crate) const FARM: &str = "windpark";

/// A running API.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) program: Program,
}

impl Api {
    pub(crate) async fn start(stack: &Stack, database: &Database) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary("api"));
        command
            .envs(stack.environment())
            .env("DATABASE_URL", &database.api_url)
            .env("API_ADDRESS", address.to_string())
            .env("API_BOOTSTRAP_KEY", KEY)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null());
        let program = Program::start(&mut command);
        let api = Self { address, program };
        let deadline = Instant::now() + PATIENCE;
        while !api.is_ready().await {
            ensure!(
                Instant::now() < deadline,
                "the API is not ready after {PATIENCE:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(api)
    }

    async fn is_ready(&self) -> bool {
        let ask = async {
            let mut connection = Connection::open(self.address).await?;
            connection.ask(&request("GET", "/health", &[], b""), |_| {}).await
        };
        ask.await.is_ok_and(|answer| answer.status == 200)
    }
}
