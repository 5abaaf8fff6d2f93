//! One installation: a topic prefix, a database, and the programs on them.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use platform::topics;
use serde_json::Value;
use sqlx::postgres::{PgPool, PgPoolOptions};
use testkit::{Database, Program, Stack, binary, eventually};
use tokio_util::sync::CancellationToken;

/// The first key of every installation here: it may do everything.
pub const API_KEY: &str = "end-to-end-tests-bootstrap-key";

/// How long the slowest thing that is waited for may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// An installation of its own; the programs end with it.
pub struct System {
    /// Where its servers are.
    pub stack: Stack,
    /// Its database.
    pub database: Database,
    /// Settings that every program gets besides.
    pub settings: Vec<(&'static str, &'static str)>,
    /// The API's address.
    pub api_url: String,
    api_address: String,
    http: reqwest::Client,
}

impl System {
    /// Topics' prefix and database; no program runs yet.
    pub async fn new() -> Self {
        let stack = Stack::for_test();
        let database = stack.database().await;
        let api_address = free_address();
        let api_url = format!("http://{api_address}");
        Self {
            stack,
            database,
            settings: Vec::new(),
            api_url,
            api_address,
            http: reqwest::Client::new(),
        }
    }

    /// Makes its topics, with so many partitions.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn make_topics(&self, partitions: i32) -> Result<()> {
        let mut kafka = self.stack.kafka();
        kafka.topic_partitions = partitions;
        topics::ensure(&kafka, &CancellationToken::new())
            .await
            .context("making the topics")
            .map(drop)
    }

    /// A program of this installation, with its settings in the environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command
            .envs(self.stack.environment())
            .envs(self.settings.iter().copied())
            .stdin(Stdio::null());
        let url = match program {
            "sink" => &self.database.sink_url,
            "api" => &self.database.api_url,
            _ => &self.database.admin_url,
        };
        command.env("DATABASE_URL", url).env("RUST_LOG", "warn");
        command
    }

    /// Starts the stream-aggregator. It keeps its name over restarts, as a supervised program would.
    pub fn start_aggregator(&self) -> Program {
        Program::start(self.command("stream-aggregator").env("INSTANCE_ID", "one"))
    }

    /// Starts the sink. It keeps its name over restarts.
    pub fn start_sink(&self) -> Program {
        Program::start(self.command("sink").env("SINK_INSTANCE_ID", "one"))
    }

    /// Starts the API and waits until it answers.
    pub async fn start_api(&self) -> Program {
        let mut command = self.command("api");
        command
            .env("API_ADDRESS", &self.api_address)
            .env("API_BOOTSTRAP_KEY", API_KEY);
        let api = Program::start(&mut command);
        eventually("the API answers", PATIENCE, || async {
            self.get("/v1/farms").await
        })
        .await;
        api
    }

    /// Runs the producer to its end.
    ///
    /// # Panics
    /// When it fails.
    pub fn produce(&self, arguments: &[&str]) -> Output {
        let output = self
            .command("producer")
            .args(arguments)
            .output()
            .expect("the producer starts");
        assert!(
            output.status.success(),
            "producer {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Starts the producer and leaves it running.
    pub fn start_producer(&self, arguments: &[&str]) -> Program {
        Program::start(self.command("producer").args(arguments))
    }

    /// Lets `verify` judge whether Kafka and PostgreSQL agree, to the last record.
    ///
    /// # Panics
    /// When they do not; its table is the message.
    pub fn verify(&self) {
        if let Err(report) = self.verdict(PATIENCE) {
            panic!("verify found a difference:\n{report}");
        }
    }

    /// What `verify` says when what is on its way has this long to arrive: `Err` if there is any difference.
    ///
    /// # Errors
    /// What it says then.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn verdict(&self, wait: Duration) -> Result<String, String> {
        let output = self
            .command("verify")
            .args(["--wait", &format!("{}s", wait.as_secs())])
            .output()
            .expect("verify starts");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.status.success() {
            Ok(said)
        } else {
            Err(said)
        }
    }

    /// A path of the API with the first key; none while it does not answer 200.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let request = self
            .http
            .get(format!("{}{path}", self.api_url))
            .header("X-API-Key", API_KEY);
        let response = request.send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        response.json().await.ok()
    }

    /// Posts JSON with the first key: status and answer.
    ///
    /// # Panics
    /// When the API does not answer with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{path}", self.api_url))
            .header("x-api-key", API_KEY)
            .json(body);
        let response = request.send().await.expect("the API answers");
        (
            response.status().as_u16(),
            response.json().await.expect("the answer is JSON"),
        )
    }

    /// One figure of the database.
    ///
    /// # Panics
    /// When the question makes no sense to it.
    pub async fn figure(&self, sql: &'static str) -> f64 {
        self.try_figure(sql).await.expect("the database answers")
    }

    /// One figure of the database, none while it does not answer.
    pub async fn try_figure(&self, sql: &'static str) -> Option<f64> {
        let pool = self.pool().await?;
        sqlx::query_scalar(sql).fetch_one(&pool).await.ok()
    }

    /// Waits until a figure of the database is at least that.
    pub async fn wait_for_figure(&self, sql: &'static str, least: f64) {
        eventually(sql, PATIENCE, || async {
            self.try_figure(sql).await.filter(|&figure| figure >= least)
        })
        .await;
    }

    async fn pool(&self) -> Option<PgPool> {
        PgPoolOptions::new()
            .max_connections(1)
            .connect(&self.database.admin_url)
            .await
            .ok()
    }
}

/// An address that nobody listens on just now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .to_string()
}
