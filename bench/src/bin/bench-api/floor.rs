//! The floor: a server of the same make as the API, which reads the request and answers a constant.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result, ensure};
use testkit::Program;

/// The variable by which this program is told to be the floor.
pub(crate) const ADDRESS: &str = "VELETA_BENCH_FLOOR";

/// More than any answer that is compared.
const MOST_BYTES: usize = 8 * 1024 * 1024;

const PATIENCE: Duration = Duration::from_secs(10);

/// A floor that runs as a process of its own.
pub(crate) struct Floor {
    pub(crate) address: SocketAddr,
    _program: Program,
}

impl Floor {
    pub(crate) async fn start() -> Result<Self> {
        let address = bench::free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ADDRESS, address.to_string()).stdin(Stdio::null());
        let program = Program::start(&mut command);
        let deadline = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            ensure!(
                Instant::now() < deadline,
                "the floor does not listen on {address}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            address,
            _program: program,
        })
    }
}

/// Serves until it is killed: `/N` is answered by N bytes.
pub(crate) fn serve(address: &str) -> Result<()> {
    actix_web::rt::System::new().block_on(async {
        HttpServer::new(|| {
            App::new()
                .app_data(PayloadConfig::new(16 * 1024 * 1024))
                .route("/{size}", web::to(answer))
        })
        .tcp_nodelay(true)
        .disable_signals()
        .bind(address)
        .with_context(|| format!("cannot listen on {address}"))?
        .run()
        .await
        .context("serving")
    })
}

async fn answer(size: web::Path<usize>, body: Bytes) -> HttpResponse {
    static CONSTANT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'1'; MOST_BYTES]));
    drop(body);
    let size = size.into_inner().min(MOST_BYTES);
    if size == 0 {
        return HttpResponse::NoContent().finish();
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .body(CONSTANT.slice(..size))
}
