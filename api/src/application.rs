//! The server: everything is built here, and nowhere else.

use std::net::TcpListener;
use std::num::NonZero;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use avro::Registry;
use platform::Health;
use platform::program::UsageError;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgPool};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_actix_web::TracingLogger;
use utoipa_actix_web::AppExt;

use crate::args::{Args, DatabaseArgs};
use crate::auth::Keys;
use crate::background::watch_database;
use crate::connections::Connections;
use crate::ingest::{Ingest, Repeats};
use crate::kafka::{self, LogEnds, Publisher};
use crate::line_protocol::LineMap;
use crate::live::{Feed, FeedSettings};
use crate::middleware::Protection;
use crate::routes::Methods;
use crate::{connections, middleware, openapi, routes};

/// How long a request waits for a connection to the database before it is told to come again.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(3);

/// How long after it was used a connection to the database is taken to work still.
const UNTESTED_IDLE: Duration = Duration::from_secs(1);

/// How long requests may take that are under way when the API stops, seconds. An acknowledgement by Kafka may take ten.
const DRAIN_SECONDS: u64 = 12;

/// A server that is bound and runs as soon as it is polled.
pub struct Application {
    server: Server,
    port: u16,
    feed: Feed,
    background: TaskTracker,
}

impl Application {
    /// Binds the address, prepares every connection and starts what goes on in the background until `stop` is
    /// cancelled. Nobody needs to be there yet: what is away makes the requests that need it fail, and `health` say so.
    ///
    /// # Errors
    /// When the address cannot be listened on, or a setting is refused.
    pub fn build(args: &Args, health: &Health, stop: &CancellationToken) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(&args.api.address)
            .with_context(|| format!("cannot listen on {}; --address moves it", args.api.address))?;
        let port = listener.local_addr()?.port();
        let database = pool(&args.database)?;
        let registry = args.registry.registry()?;
        let publisher = Publisher::new(args.kafka.clone(), registry.clone())?;
        let log_ends = LogEnds::new(&args.kafka)?;
        let live = feed_settings(args, registry, database.clone(), log_ends.clone());
        let feed = Feed::new(live, stop.clone());

        let background = TaskTracker::new();
        let database_health = health.component("database");
        let bootstrap = args.api.bootstrap_hash();
        background.spawn(watch_database(
            database.clone(),
            bootstrap,
            database_health,
            stop.clone(),
        ));
        let kafka_health = health.component("kafka");
        background.spawn(kafka::watch(
            args.kafka.clone(),
            publisher.clone(),
            kafka_health,
            stop.clone(),
        ));
        let connections = Connections::default();
        background.spawn(
            connections
                .clone()
                .close_the_slow(args.api.max_head_time, stop.clone()),
        );
        background.close();

        let parts = Parts {
            database,
            publisher,
            log_ends,
            feed: feed.clone(),
            connections,
        };
        let server = serve(listener, args, parts, health)?;
        Ok(Self {
            server,
            port,
            feed,
            background,
        })
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The live stream.
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Serves until `stop` is cancelled; then takes no more requests and answers those that are under way.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn run_until_stopped(self, stop: CancellationToken) -> anyhow::Result<()> {
        let handle = self.server.handle();
        let stopper = tokio::spawn(async move {
            stop.cancelled().await;
            handle.stop(true).await;
        });
        let served = self.server.await.context("serving");
        stopper.abort();
        if served.is_ok() {
            self.background.wait().await;
        }
        served
    }
}

/// What requests are answered with.
struct Parts {
    database: PgPool,
    publisher: Publisher,
    log_ends: LogEnds,
    feed: Feed,
    connections: Connections,
}

fn serve(listener: TcpListener, args: &Args, parts: Parts, health: &Health) -> anyhow::Result<Server> {
    let Parts {
        database,
        publisher,
        log_ends,
        feed,
        connections,
    } = parts;
    let tls = args.api.tls()?;
    let feed = web::Data::new(feed);
    let log_ends = web::Data::new(log_ends);
    let keys = web::Data::new(Keys::new(
        database.clone(),
        args.api.quotas(),
        args.api.tokens.tokens()?,
    ));
    let database = web::Data::new(database);
    let ingest = web::Data::new(Ingest {
        publisher,
        limits: args.api.limits(),
        most_readings: args.api.max_readings as usize,
        repeats: Repeats::default(),
    });
    let topics = web::Data::new(args.kafka.topics());
    let line_map = LineMap::load(args.api.line_protocol_map.as_deref());
    let line_map = web::Data::new(line_map.map_err(|error| UsageError(format!("{error:#}")))?);
    let health = web::Data::new(health.clone());
    let legacy = web::Data::new(args.legacy.clone());
    let body_limits = web::Data::new(args.api.body_limits());
    let protection = web::Data::new(Protection {
        is_encrypted: tls.is_some(),
    });
    let origins = args.api.cors_origins.clone();
    let server = HttpServer::new(move || {
        let (app, document) = App::new()
            .into_utoipa_app()
            .openapi(openapi::head())
            .configure(routes::configure)
            .split_for_parts();
        let document = openapi::finish(document);
        app.app_data(web::Data::new(Methods::of(&document)))
            .configure(|config| routes::documentation(config, document))
            .app_data(database.clone())
            .app_data(keys.clone())
            .app_data(ingest.clone())
            .app_data(log_ends.clone())
            .app_data(feed.clone())
            .app_data(topics.clone())
            .app_data(legacy.clone())
            .app_data(body_limits.clone())
            .app_data(line_map.clone())
            .app_data(health.clone())
            .default_service(web::to(routes::nowhere))
            .app_data(protection.clone())
            // from within outwards
            .wrap(Condition::new(!origins.is_empty(), middleware::cors(&origins)))
            .wrap(from_fn(middleware::protect))
            .wrap(from_fn(middleware::observe))
            .wrap(TracingLogger::<middleware::RequestSpan>::new())
            .wrap(Compress::default())
            .wrap(from_fn(connections::note_request))
    });
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
    let server = server
        .workers(workers)
        // the rest of an answer does not wait until the client has acknowledged its beginning
        .tcp_nodelay(true)
        .max_connections((args.api.max_connections as usize).div_ceil(workers))
        .keep_alive(connections::SILENCE)
        .client_request_timeout(args.api.max_head_time)
        .tls_handshake_timeout(args.api.max_head_time)
        .on_connect(move |connection, data| connections.watch(connection, data));
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.disable_signals().shutdown_timeout(DRAIN_SECONDS).run())
}

fn feed_settings(args: &Args, registry: Registry, database: PgPool, log_ends: LogEnds) -> FeedSettings {
    let live = &args.api.live;
    FeedSettings {
        kafka: args.kafka.clone(),
        registry,
        limits: args.api.limits(),
        database,
        log_ends,
        capacity_bytes: live.live_memory_mib as usize * 1024 * 1024,
        most_listeners: live.live_listeners as usize,
        heartbeat: live.live_heartbeat,
    }
}

fn pool(args: &DatabaseArgs) -> anyhow::Result<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(args.database_connections)
        .acquire_timeout(CONNECTION_PATIENCE)
        // whether it still works is asked of a connection that nobody has used for a while, not before each statement
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > UNTESTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(args.options()?.options([
            ("statement_timeout", "30s"),
            // the days of a statement must be known when it is planned, or all days are locked each time
            ("plan_cache_mode", "force_custom_plan"),
        ]));
    Ok(pool)
}
