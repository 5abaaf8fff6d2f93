//! What can be set, and whether it makes sense.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use domain::{FarmId, Limits, TimeDelta};
use jiff::tz::TimeZone;
use platform::program::UsageError;
use platform::{KafkaArgs, LogArgs, ManagementArgs, RegistryArgs};
use reqwest::Url;
use rustls::ServerConfig;
use sqlx::postgres::PgConnectOptions;

use crate::auth::{ClaimNames, KeyHash, KeySource, Quotas, TokenRules, Tokens};
use crate::handlers::BodyLimits;
use crate::key_command::KeyCommand;
use crate::middleware::Origin;
use crate::tls;

/// The port of health and metrics.
pub const MANAGEMENT_PORT: u16 = 9104;

/// A bootstrap key shorter than that could be guessed, characters.
const LEAST_KEY_CHARS: usize = 20;

/// REST API over the readings and windows of wind farms.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "api", version, about)]
pub struct Args {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The API itself.
    #[command(flatten)]
    pub api: ApiArgs,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The schema registry.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// The words of the first system.
    #[command(flatten)]
    pub legacy: LegacyArgs,
    /// Health and metrics.
    #[command(flatten)]
    pub management: ManagementArgs,
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to do instead of serving.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Create, list and revoke keys
    Key {
        /// What to do with them.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Ask the running program on this machine whether it is ready; exit code 0 if it is, 1 with the reason if not
    Healthcheck,
}

/// The API itself.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "API")]
pub struct ApiArgs {
    /// Where the API listens, `host:port`; port 0 is any free one
    #[arg(long, env = "API_ADDRESS", default_value = "0.0.0.0:8000")]
    pub address: String,

    /// The first administrator's key, at least 20 characters; it becomes a key while there is no other of scope admin
    #[arg(long, env = "API_BOOTSTRAP_KEY", hide_env_values = true)]
    pub bootstrap_key: Option<String>,

    /// How far an event time may be ahead of our clock (0s to 1d), as the stream-aggregator has it for the broker's;
    /// readings beyond are refused
    #[arg(long, env = "EVENT_TIME_AHEAD", default_value = "30s", value_parser = platform::duration::parse)]
    pub event_time_ahead: Duration,

    /// The largest body of a request, bytes, also when unpacked (1024 to 268435456); a larger one is a 413
    #[arg(long, env = "API_MAX_BODY_BYTES", default_value_t = 8 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1_024..=268_435_456))]
    pub max_body_bytes: u32,

    /// The longest that a body may take to come (1s to 1h); a slower one is a 408
    #[arg(long, env = "API_MAX_BODY_TIME", default_value = "30s", value_parser = platform::duration::parse)]
    pub max_body_time: Duration,

    /// The most readings of one request (1 to 1000000); more are a 413
    #[arg(long, env = "API_MAX_READINGS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_readings: u32,

    /// The longest that the head of a request may take to come (1s to 1m); a slower one is a 408, or its connection is
    /// closed
    #[arg(long, env = "API_MAX_HEAD_TIME", default_value = "5s", value_parser = platform::duration::parse)]
    pub max_head_time: Duration,

    /// The most connections at once (2 to 1000000); further ones wait. Listeners of the live stream are among them
    #[arg(long, env = "API_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub max_connections: u32,

    /// The server's certificate and those that vouch for it, a PEM file: the API then speaks TLS, and nothing else
    #[arg(long, env = "API_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, a PEM file
    #[arg(long, env = "API_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// How many requests a second a key may make that has no limit of its own, and as many at once (1 to 1000000); no
    /// limit if it is not set. Each process of the API counts by itself
    #[arg(long, env = "API_RATE_LIMIT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate_limit: Option<u32>,

    /// The origins of the pages that may ask this API from a browser (CORS), `scheme://host[:port]`, with commas between
    /// them, or `*` for all; none by default, and the API's own page needs none
    #[arg(long, env = "API_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,

    /// What the measurements, tags and fields of InfluxDB's line protocol mean: a JSON file of tables, which come beside
    /// or instead of those that are built in (`reading` with our own names, and `wind_turbine`)
    #[arg(long, env = "LINE_PROTOCOL_MAP")]
    pub line_protocol_map: Option<PathBuf>,

    /// The live stream.
    #[command(flatten)]
    pub live: LiveArgs,

    /// Tokens that somebody else issues.
    #[command(flatten)]
    pub tokens: TokenArgs,
}

/// Tokens that somebody else issues (JWT), beside our own keys.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Tokens (JWT)")]
pub struct TokenArgs {
    /// The issuer's public keys (JWKS): a file, or an address by https; read again every ten minutes, and when a token
    /// names a key that is not among them. No tokens are taken if it is not set
    #[arg(long, env = "JWT_JWKS", requires_all = ["jwt_issuer", "jwt_audience"], value_parser = key_source)]
    pub jwt_jwks: Option<KeySource>,

    /// Whose tokens are taken: their `iss`
    #[arg(long, env = "JWT_ISSUER", requires = "jwt_jwks")]
    pub jwt_issuer: Option<String>,

    /// Whom they are meant for: their `aud`, or one of it
    #[arg(long, env = "JWT_AUDIENCE", requires = "jwt_jwks")]
    pub jwt_audience: Option<String>,

    /// The claim with the scopes, words or a list: read, write, admin; others are ignored
    #[arg(long, env = "JWT_SCOPE_CLAIM", default_value = "scope")]
    pub jwt_scope_claim: String,

    /// What the scopes begin with there, such as `veleta:`
    #[arg(long, env = "JWT_SCOPE_PREFIX", default_value = "")]
    pub jwt_scope_prefix: String,

    /// The claim with the only farms that a token opens, words or a list; one without it opens all
    #[arg(long, env = "JWT_FARMS_CLAIM", default_value = "farms")]
    pub jwt_farms_claim: String,
}

/// The live stream.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Live stream")]
pub struct LiveArgs {
    /// Most memory for the newest events, MiB (1 to 65536): a listener that falls farther behind is dropped, one that
    /// comes back within them need not read the log
    #[arg(long, env = "LIVE_MEMORY_MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub live_memory_mib: u32,

    /// Most listeners at once (1 to 100000)
    #[arg(long, env = "LIVE_LISTENERS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub live_listeners: u32,

    /// How long a listener hears nothing at most (1s to 60s); one that has gone without a word is noticed by then
    #[arg(long, env = "LIVE_HEARTBEAT", default_value = "15s", value_parser = platform::duration::parse)]
    pub live_heartbeat: Duration,
}

/// The database.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The database as the role windfarm_api
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "postgres://windfarm_api@localhost:5432/windfarm",
        hide_env_values = true,
        global = true
    )]
    pub database_url: String,

    /// Most connections to it (1 to 1000)
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub database_connections: u32,
}

/// The words of the first system, whose clients go on as before.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "First system's clients")]
pub struct LegacyArgs {
    /// The farm that their generators are turbines of
    #[arg(long, env = "LEGACY_FARM_ID", default_value = "windpark")]
    pub legacy_farm_id: FarmId,

    /// The time zone that they are told minutes in, a name of the IANA database
    #[arg(long, env = "LEGACY_TIME_ZONE", default_value = "Europe/Madrid", value_parser = time_zone)]
    pub legacy_time_zone: TimeZone,
}

impl Args {
    /// Whether the settings can work.
    ///
    /// # Errors
    /// [`UsageError`] with the flag, its value and the bound; the value of a secret is not told.
    pub fn check(&self) -> Result<(), UsageError> {
        const DAY: Duration = Duration::from_secs(86_400);
        if self.api.event_time_ahead > DAY {
            let ahead = self.api.event_time_ahead;
            return Err(UsageError(format!(
                "--event-time-ahead is {ahead:?}, 0s to 1d is wanted"
            )));
        }
        let body_time = self.api.max_body_time;
        if !(Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&body_time) {
            return Err(UsageError(format!(
                "--max-body-time is {body_time:?}, 1s to 1h is wanted"
            )));
        }
        let head_time = self.api.max_head_time;
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&head_time) {
            return Err(UsageError(format!(
                "--max-head-time is {head_time:?}, 1s to 1m is wanted"
            )));
        }
        let heartbeat = self.api.live.live_heartbeat;
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&heartbeat) {
            return Err(UsageError(format!(
                "--live-heartbeat is {heartbeat:?}, 1s to 60s is wanted"
            )));
        }
        let length = self.api.bootstrap_key.as_ref().map(|key| key.chars().count());
        if let Some(length) = length.filter(|length| *length < LEAST_KEY_CHARS) {
            return Err(UsageError(format!(
                "--bootstrap-key has {length} characters, at least {LEAST_KEY_CHARS} are wanted"
            )));
        }
        self.database.options().map(drop)
    }
}

impl ApiArgs {
    /// The hash of the first administrator's key.
    pub fn bootstrap_hash(&self) -> Option<KeyHash> {
        self.bootstrap_key.as_deref().map(KeyHash::of)
    }

    /// What may be set about the rules.
    pub fn limits(&self) -> Limits {
        Limits {
            event_time_ahead: TimeDelta::from(self.event_time_ahead),
        }
    }

    /// How often those may come that have no limit of their own.
    pub fn quotas(&self) -> Quotas {
        Quotas::new(self.rate_limit.and_then(NonZeroU32::new))
    }

    /// How we are known by TLS, if we are to speak it.
    ///
    /// # Errors
    /// [`UsageError`] when certificate or key are of no use.
    pub fn tls(&self) -> Result<Option<ServerConfig>, UsageError> {
        let files = self.tls_cert.as_deref().zip(self.tls_key.as_deref());
        let config = files.map(|(certificate, key)| tls::server_config(certificate, key));
        config
            .transpose()
            .map_err(|error| UsageError(format!("{error:#}")))
    }

    /// How much a request may bring.
    pub const fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            body_bytes: self.max_body_bytes as usize,
            body_time: self.max_body_time,
        }
    }
}

impl TokenArgs {
    /// What tokens are taken, if any.
    ///
    /// # Errors
    /// When the issuer cannot be asked.
    pub fn tokens(&self) -> anyhow::Result<Option<Tokens>> {
        let (Some(source), Some(issuer), Some(audience)) =
            (&self.jwt_jwks, &self.jwt_issuer, &self.jwt_audience)
        else {
            return Ok(None);
        };
        let rules = TokenRules {
            issuer: issuer.clone(),
            audience: audience.clone(),
            names: ClaimNames {
                scopes: self.jwt_scope_claim.clone(),
                scope_prefix: self.jwt_scope_prefix.clone(),
                farms: self.jwt_farms_claim.clone(),
            },
        };
        Tokens::new(rules, source.clone()).map(Some)
    }
}

impl DatabaseArgs {
    /// How to connect.
    ///
    /// # Errors
    /// [`UsageError`] when the address is none; the address, which may hold a password, is not told.
    pub fn options(&self) -> Result<PgConnectOptions, UsageError> {
        let options = PgConnectOptions::from_str(&self.database_url)
            .map_err(|error| UsageError(format!("--database-url is unusable: {error}")))?;
        Ok(options.application_name("windfarm-api"))
    }
}

impl fmt::Debug for ApiArgs {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiArgs")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DatabaseArgs {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseArgs").finish_non_exhaustive()
    }
}

/// Keys that come in the clear could be anybody's, unless they come from this very machine.
fn key_source(text: &str) -> Result<KeySource, String> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Ok(KeySource::File(text.into()));
    };
    let url: Url = text
        .parse()
        .map_err(|error| format!("it is no address: {error}"))?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match scheme {
        "https" => Ok(KeySource::Url(url)),
        "http" if is_here => Ok(KeySource::Url(url)),
        _ => Err("a file or an address by https is wanted".to_owned()),
    }
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "a name such as Europe/Madrid or UTC is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let args = Args::parse_from(["api"]);
        args.check().unwrap();
        assert_eq!(args.api.limits(), Limits::default());
        assert_eq!(args.legacy.legacy_farm_id.as_str(), "windpark");
        assert_eq!(args.legacy.legacy_time_zone.iana_name(), Some("Europe/Madrid"));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_bound() {
        let refusal = |args: &[&str]| {
            let args = Args::parse_from([&["api"], args].concat());
            args.check().unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&["--bootstrap-key", "too-short"]),
            "--bootstrap-key has 9 characters, at least 20 are wanted"
        );
        assert_eq!(
            refusal(&["--event-time-ahead", "25h"]),
            "--event-time-ahead is 90000s, 0s to 1d is wanted"
        );
        assert_eq!(
            refusal(&["--max-body-time", "100ms"]),
            "--max-body-time is 100ms, 1s to 1h is wanted"
        );
        assert_eq!(
            refusal(&["--max-head-time", "2m"]),
            "--max-head-time is 120s, 1s to 1m is wanted"
        );
        assert!(Args::try_parse_from(["api", "--tls-cert", "cert.pem"]).is_err());
        let with_keys = |source| {
            let named = ["--jwt-issuer", "i", "--jwt-audience", "a"];
            Args::try_parse_from([&["api", "--jwt-jwks", source], &named[..]].concat())
        };
        for good in ["jwks.json", "https://id.example/keys", "http://localhost:80/keys"] {
            assert!(with_keys(good).unwrap().api.tokens.tokens().unwrap().is_some());
        }
        assert!(with_keys("http://id.example/keys").is_err(), "in the clear");
        assert!(
            Args::try_parse_from(["api", "--jwt-jwks", "jwks.json"]).is_err(),
            "whose, for whom?"
        );
        assert!(refusal(&["--database-url", "nonsense"]).starts_with("--database-url is unusable"));
        assert!(Args::try_parse_from(["api", "--legacy-time-zone", "Mars/Olympus"]).is_err());
        assert!(Args::try_parse_from(["api", "--legacy-farm-id", "a b"]).is_err());
        assert!(Args::try_parse_from(["api", "--cors-origins", "wind.example"]).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let args = Args::parse_from([
            "api",
            "--bootstrap-key",
            "hunter2hunter2hunter2",
            "--database-url",
            "postgres://u:hunter2@h/d",
        ]);
        assert!(!format!("{args:?}").contains("hunter2"));
    }

    #[test]
    fn the_database_can_be_named_after_the_subcommand() {
        let args = Args::parse_from(["api", "key", "list", "--database-url", "postgres://h/d"]);
        assert_eq!(args.database.database_url, "postgres://h/d");
    }
}
