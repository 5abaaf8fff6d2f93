//! Many connections that each ask again as soon as they are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench::Series;

use crate::http::Connection;

/// How hard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u16,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Of a body.
    pub(crate) bytes: usize,
}

/// Asks until the time is over.
///
/// # Errors
/// When an answer is not a success.
pub(crate) async fn drive(address: SocketAddr, request: &[u8], load: Load) -> Result<Outcome> {
    let request: Arc<[u8]> = request.into();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..load.connections)
        .map(|_| tokio::spawn(ask_until(address, Arc::clone(&request), begun + load.time)))
        .collect();
    let (mut times, mut bytes) = (Vec::new(), 0);
    for task in tasks {
        let (own, size) = task.await??;
        times.extend(own);
        bytes = size;
    }
    let took = begun.elapsed().as_secs_f64();
    let count = times.len() as f64;
    let times: Series = times.into_iter().collect();
    Ok(Outcome {
        per_s: count / took,
        p50_ms: times.quantile(0.5),
        p99_ms: times.quantile(0.99),
        bytes,
    })
}

async fn ask_until(address: SocketAddr, request: Arc<[u8]>, end: Instant) -> Result<(Vec<f64>, usize)> {
    let mut connection = Connection::open(address).await?;
    let (mut times, mut bytes) = (Vec::new(), 0);
    while Instant::now() < end || times.is_empty() {
        let asked = Instant::now();
        let mut said = Vec::new();
        let answer = connection
            .ask(&request, |piece| {
                if said.len() < 512 {
                    said.extend_from_slice(&piece[..piece.len().min(512)]);
                }
            })
            .await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        bytes = answer.bytes;
        ensure!(
            (200..300).contains(&answer.status),
            "the answer is a {}: {}",
            answer.status,
            String::from_utf8_lossy(&said)
        );
    }
    Ok((times, bytes))
}
