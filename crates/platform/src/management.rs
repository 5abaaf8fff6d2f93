//! The management port: `/health/live`, `/health/ready`, `/metrics`.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, bail};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::Health;

/// How often histograms are tidied up, and the longest wait for an answer of `healthcheck`.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where health and metrics are served.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Management")]
pub struct ManagementArgs {
    /// Address of /health/live, /health/ready and /metrics, `host:port`, or `none`; by default on 127.0.0.1 with port
    /// 9101 (producer), 9102 (stream-aggregator), 9103 (sink) or 9104 (api)
    #[arg(long, env = "MANAGEMENT_ADDRESS")]
    pub management_address: Option<String>,
}

impl ManagementArgs {
    /// The address, given this program's own port; none if it is switched off.
    pub fn address(&self, default_port: u16) -> Option<String> {
        match self.management_address.as_deref() {
            Some("none") => None,
            Some(address) => Some(address.to_owned()),
            None => Some(format!("127.0.0.1:{default_port}")),
        }
    }

    /// Starts to record metrics and, unless switched off, to serve them; ends when `stop` is cancelled.
    ///
    /// # Errors
    /// When the address cannot be listened on, or metrics are recorded already.
    pub fn serve(&self, default_port: u16, health: Health, stop: CancellationToken) -> anyhow::Result<()> {
        let metrics = PrometheusBuilder::new()
            .install_recorder()
            .context("metrics recorder")?;
        tokio::spawn(keep_up(metrics.clone(), stop.clone()));
        if let Some(address) = self.address(default_port) {
            listen(&address, health, metrics, stop)?;
        }
        Ok(())
    }

    /// The same for programs of which several run on one machine: if nobody has told the address and another program
    /// listens on this one's own port, it goes on without, with a warning.
    ///
    /// # Errors
    /// As [`Self::serve`], but for that.
    pub fn serve_if_free(
        &self,
        default_port: u16,
        health: Health,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        match self.serve(default_port, health, stop) {
            Err(error) if self.does_without(&error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "health and metrics are not served");
                Ok(())
            }
            served => served,
        }
    }

    fn does_without(&self, error: &anyhow::Error) -> bool {
        let io = error.downcast_ref::<std::io::Error>();
        self.management_address.is_none() && io.is_some_and(|io| io.kind() == ErrorKind::AddrInUse)
    }

    /// Asks the program that listens on this address whether it is ready.
    ///
    /// # Errors
    /// What is not ready, or that nobody answers.
    pub fn healthcheck(&self, default_port: u16) -> anyhow::Result<()> {
        let address = self
            .address(default_port)
            .context("the management address is 'none'")?;
        let answer =
            get(&local(&address), "/health/ready").with_context(|| format!("no answer from {address}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if head.split(' ').nth(1) != Some("200") {
            bail!("not ready: {body}");
        }
        Ok(())
    }
}

fn listen(
    address: &str,
    health: Health,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
            .route("/metrics", web::get().to(render))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(address)
    .with_context(|| {
        format!("cannot listen on {address} for health and metrics; --management-address moves it")
    })?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop(false).await;
    });
    Ok(())
}

async fn keep_up(metrics: PrometheusHandle, stop: CancellationToken) {
    while tokio::time::timeout(UPKEEP, stop.cancelled()).await.is_err() {
        metrics.run_upkeep();
    }
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let not_ready = health.not_ready();
    let mut answer = if not_ready.is_empty() {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    answer.json(serde_json::json!({ "ready": not_ready.is_empty(), "not_ready": not_ready }))
}

async fn render(metrics: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .body(metrics.render())
}

/// Where to knock for a program that listens on `address`.
fn local(address: &str) -> String {
    address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
}

fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let address = address
        .to_socket_addrs()?
        .next()
        .context("the address has no host")?;
    let mut stream = TcpStream::connect_timeout(&address, UPKEEP)?;
    stream.set_read_timeout(Some(UPKEEP))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_program_tells_whether_it_is_ready_and_why_not() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let args = ManagementArgs {
            management_address: Some(free.to_string()),
        };
        let (health, stop) = (Health::default(), CancellationToken::new());
        let kafka = health.component("kafka");
        args.serve(0, health, stop.clone()).unwrap();

        let ask = |args: ManagementArgs| tokio::task::spawn_blocking(move || args.healthcheck(0));
        let refusal = ask(args.clone()).await.unwrap().unwrap_err().to_string();
        assert!(
            refusal.contains("kafka") && refusal.contains("starting"),
            "{refusal}"
        );
        kafka.ready();
        ask(args.clone()).await.unwrap().unwrap();

        metrics::counter!("windfarm_test_records_total").increment(3);
        let page = tokio::task::spawn_blocking(move || get(&free.to_string(), "/metrics"))
            .await
            .unwrap()
            .unwrap();
        assert!(page.contains("windfarm_test_records_total 3"), "{page}");
        stop.cancel();
    }

    #[tokio::test]
    async fn who_has_told_no_address_does_without_one_that_is_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let stop = CancellationToken::new();
        let error = listen(&address, Health::default(), metrics, stop).unwrap_err();
        let of = |management_address| ManagementArgs { management_address };
        assert!(of(None).does_without(&error), "{error:#}");
        assert!(!of(Some(address)).does_without(&error), "it was asked for");
    }

    #[test]
    fn the_address_is_a_setting() {
        let address = |text: Option<&str>| {
            ManagementArgs {
                management_address: text.map(str::to_owned),
            }
            .address(9102)
        };
        assert_eq!(address(None).as_deref(), Some("127.0.0.1:9102"));
        assert_eq!(address(Some("0.0.0.0:80")).as_deref(), Some("0.0.0.0:80"));
        assert_eq!(address(Some("none")), None);
    }
}
