//! How much memory many rows take on their way out.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::peak_memory_bytes;

use crate::args::Args;
use crate::http::{Connection, request};
use crate::server::{Api, FARM, KEY};

/// The most rows of a page in JSON.
const PAGE_ROWS: u64 = 10_000;

/// What the rows came to in one format.
pub(crate) struct Export {
    pub(crate) format: &'static str,
    pub(crate) took: Duration,
    pub(crate) bytes: usize,
    /// By how much the API grew at most.
    pub(crate) growth_mib: f64,
}

/// Fetches all readings of the first turbine: as a file in one answer, and in JSON page after page.
pub(crate) async fn measure(api: &Api, args: &Args) -> Result<Vec<Export>> {
    let mut exports = Vec::new();
    for format in ["csv", "parquet", "json"] {
        let pid = api.program.pid();
        // from here on the kernel counts the peak anew
        fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting the peak of memory")?;
        let before = peak_memory_bytes(pid).context("the API is gone")?;
        let begun = Instant::now();
        let (bytes, rows) = if format == "json" {
            pages(api, args.export_rows).await?
        } else {
            file(api, format).await?
        };
        let peak = peak_memory_bytes(pid).context("the API is gone")?;
        ensure!(
            rows.is_none_or(|rows| rows == args.export_rows),
            "{format} has {rows:?} rows, {} are there",
            args.export_rows
        );
        exports.push(Export {
            format,
            took: begun.elapsed(),
            bytes,
            growth_mib: peak.saturating_sub(before) as f64 / f64::from(1 << 20),
        });
    }
    Ok(exports)
}

/// Bytes, and rows as far as they can be counted.
async fn file(api: &Api, format: &str) -> Result<(usize, Option<u64>)> {
    let path = format!("/v1/farms/{FARM}/turbines/T001/readings?format={format}");
    let mut connection = Connection::open(api.address).await?;
    let mut lines = 0;
    let answer = connection
        .ask(&request("GET", &path, &[("X-API-Key", KEY)], b""), |piece| {
            lines += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
        })
        .await?;
    ensure!(answer.status == 200, "{path} is answered by {}", answer.status);
    let rows = (format == "csv").then(|| lines - 1);
    Ok((answer.bytes, rows))
}

async fn pages(api: &Api, rows: u64) -> Result<(usize, Option<u64>)> {
    let mut connection = Connection::open(api.address).await?;
    let (mut bytes, mut seen, mut cursor) = (0, 0, String::new());
    loop {
        let path = format!("/v1/farms/{FARM}/turbines/T001/readings?limit={PAGE_ROWS}{cursor}");
        let mut page = Vec::new();
        let answer = connection
            .ask(&request("GET", &path, &[("X-API-Key", KEY)], b""), |piece| {
                page.extend_from_slice(piece);
            })
            .await?;
        ensure!(answer.status == 200, "{path} is answered by {}", answer.status);
        bytes += answer.bytes;
        let page: serde_json::Value = serde_json::from_slice(&page).context("a page of JSON")?;
        seen += page["items"].as_array().map_or(0, Vec::len) as u64;
        match page["next_cursor"].as_str() {
            Some(next) if seen < rows => cursor = format!("&cursor={next}"),
            _ => return Ok((bytes, Some(seen))),
        }
    }
}
