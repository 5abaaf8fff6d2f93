//! Processes that read the topic, and how they tell how far they are: two lines on standard output.
//!
//! ```text
//! working 1
//! done 6000000
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

use crate::measurement::{Clocks, Measurement};

/// How long a process that was asked to end may take.
const END: Duration = Duration::from_secs(30);

/// So many records have been read when time begins to be taken.
#[expect(clippy::print_stdout, reason = "the benchmark reads it")]
pub(crate) fn say_working(records: u64) {
    println!("working {records}");
}

/// All of these records have been read.
#[expect(clippy::print_stdout, reason = "the benchmark reads it")]
pub(crate) fn say_done(records: u64) {
    println!("done {records}");
}

/// Waits until the benchmark has asked the kernel about this process; it says so by closing standard input.
pub(crate) fn wait_to_be_stopped() -> Result<()> {
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .map(drop)
        .context("waiting for the end of standard input")
}

/// Runs a process that tells how far it is, and measures it between its two lines.
pub(crate) fn measure(command: &mut Command, records: u64) -> Result<Measurement> {
    let log = NamedTempFile::new().context("making a file for a log")?;
    let output: File = log.reopen()?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(output)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let measured = follow(&mut child, records);
    drop(child.stdin.take());
    let ended = end(&mut child);
    measured
        .and_then(|measurement| ended.map(|()| measurement))
        .with_context(|| std::fs::read_to_string(log.path()).unwrap_or_default())
}

fn follow(child: &mut Child, records: u64) -> Result<Measurement> {
    let pid = child.id();
    let output = child.stdout.take().context("it has no standard output")?;
    let mut lines = BufReader::new(output);
    let first = figure(&mut lines, "working")?;
    let start = Clocks::now(pid);
    let last = figure(&mut lines, "done")?;
    let end = Clocks::now(pid);
    ensure!(last == records, "it has read {last} of {records} records");
    Ok(Measurement::between(start, end, last - first, pid))
}

/// The figure of the next line, which begins with that word.
fn figure(lines: &mut BufReader<ChildStdout>, word: &str) -> Result<u64> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    match line.trim().split_once(' ') {
        Some((found, figure)) if found == word => Ok(figure.parse()?),
        _ => bail!("it said '{}', '{word} N' was awaited", line.trim()),
    }
}

fn end(child: &mut Child) -> Result<()> {
    let deadline = std::time::Instant::now() + END;
    while std::time::Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "it ended with {status}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    bail!("it did not end within {} s", END.as_secs())
}
