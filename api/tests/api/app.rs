//! A running API of one test.

use std::time::Duration;

use api::auth::{Scope, Secret};
use api::live::Feed;
use api::queries::keys::{self, NewKey};
use api::{Application, Args};
use clap::Parser;
use domain::FarmId;
use platform::Health;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use sqlx::PgPool;
use testkit::{Stack, eventually};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct TestApi {
    pub(crate) stack: Stack,
    /// As a superuser, for fixtures.
    pub(crate) database: PgPool,
    pub(crate) database_url: String,
    /// A key that may do everything.
    pub(crate) key: String,
    pub(crate) health: Health,
    feed: Feed,
    url: String,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl TestApi {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts an API and waits until it can take readings in.
    pub(crate) async fn start_ready() -> Self {
        let api = Self::start().await;
        api.ready().await;
        api
    }

    /// Starts an API whose settings `change` has had a hand in.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Args)) -> Self {
        let stack = Stack::for_test();
        let urls = stack.database().await;
        let mut args = Args::parse_from(["api", "--address=127.0.0.1:0", "--database-connections=3"]);
        args.database.database_url.clone_from(&urls.api_url);
        args.kafka = stack.kafka();
        args.kafka.topic_partitions = 2;
        args.registry = stack.registry();
        change(&mut args);

        let database = PgPool::connect(&urls.admin_url).await.unwrap();
        let (health, stop) = (Health::default(), CancellationToken::new());
        let application = Application::build(&args, &health, &stop).unwrap();
        let url = format!("http://127.0.0.1:{}", application.port());
        let feed = application.feed().clone();
        let serving = tokio::spawn(application.run_until_stopped(stop.clone()));
        let key = create_key(&database, &[Scope::Admin], None).await;
        Self {
            stack,
            database,
            database_url: urls.api_url,
            key,
            health,
            feed,
            url,
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            stop,
            serving: Some(serving),
        }
    }

    /// Waits until everything that the API needs is there.
    pub(crate) async fn ready(&self) {
        eventually("the API is ready", PATIENCE, || async {
            self.health.not_ready().is_empty().then_some(())
        })
        .await;
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// How many listen to the live stream.
    pub(crate) fn listeners(&self) -> usize {
        self.feed.listeners()
    }

    /// A request without a key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A GET with a key that may do everything.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.get_with(&self.key, path).await
    }

    pub(crate) async fn get_with(&self, key: &str, path: &str) -> Response {
        let request = self.request(Method::GET, path).header("x-api-key", key);
        request.send().await.unwrap()
    }

    /// The JSON of a GET that must succeed.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self
            .request(Method::POST, path)
            .header("x-api-key", &self.key)
            .header("content-type", "application/json");
        request.body(body).send().await.unwrap()
    }

    pub(crate) async fn key(&self, scopes: &[Scope], farms: Option<&[&str]>) -> String {
        create_key(&self.database, scopes, farms).await
    }

    /// A connection of its own, for requests that no client would make.
    pub(crate) async fn connect(&self) -> TcpStream {
        let address = self.url.strip_prefix("http://").unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    /// Stops it as SIGTERM would.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let serving = self.serving.take().unwrap();
        tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap()
    }
}

impl Drop for TestApi {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn create_key(database: &PgPool, scopes: &[Scope], farms: Option<&[&str]>) -> String {
    let secret = Secret::random();
    let farms: Option<Vec<FarmId>> =
        farms.map(|farms| farms.iter().map(|farm| farm.parse().unwrap()).collect());
    let key = NewKey {
        name: "test",
        hash: secret.hash(),
        scopes,
        farms: farms.as_deref(),
        expires_at: None,
        rate_limit_per_second: None,
        replaces: None,
    };
    keys::create(database, &key).await.unwrap();
    secret.reveal().to_owned()
}

/// The status and the problem document of a request that failed.
pub(crate) async fn problem(response: Response) -> (u16, Value) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status);
    (status, problem)
}

/// All that comes over a connection until its other end closes it.
pub(crate) async fn rest(mut connection: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut connection, &mut bytes);
    let _ = tokio::time::timeout(PATIENCE, read).await.unwrap(); // a reset is an end too
    String::from_utf8_lossy(&bytes).into_owned()
}
