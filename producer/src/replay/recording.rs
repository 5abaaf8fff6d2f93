//! A file of recorded readings, read line by line: it may be larger than memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use domain::RawReading;

use super::format::Format;
use super::layout::{Layout, Overrides};
use super::splitter::Splitter;
use platform::program::UsageError;

/// A longer line is none.
const LONGEST_LINE: u64 = 1 << 20;

/// Where readings were recorded, and how.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// What else is known of it.
    pub overrides: Overrides,
}

/// A line that holds no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Its number; the first one of a file is 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The lines of an open recording.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    layout: Layout,
    splitter: Splitter,
    /// Number of the last line that was read, and where it ends in the file.
    line: u64,
    position: u64,
    raw: Vec<u8>,
}

impl Recording {
    /// Opens it at its first line.
    ///
    /// # Errors
    /// When it cannot be read, or its headings are not those of its format.
    pub fn open(&self) -> anyhow::Result<Lines<BufReader<File>>> {
        let file = File::open(&self.path)
            .map_err(|error| UsageError(format!("{}: {error}", self.path.display())))?;
        Lines::new(
            BufReader::with_capacity(1 << 18, file),
            self.format,
            &self.overrides,
        )
        .with_context(|| self.path.display().to_string())
    }

    /// The size of the file in bytes.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn size(&self) -> anyhow::Result<u64> {
        let metadata = self.path.metadata();
        Ok(metadata.with_context(|| self.path.display().to_string())?.len())
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input`, whose first one has the headings.
    ///
    /// # Errors
    /// When it cannot be read, or its headings are not those of `format`.
    pub fn new(mut input: R, format: Format, overrides: &Overrides) -> anyhow::Result<Self> {
        let mut raw = Vec::new();
        let length = read_line(&mut input, &mut raw)?;
        let mut splitter = Splitter::new(delimiter(&raw));
        let headings = splitter.split(&raw).map_err(UsageError)?;
        let layout =
            Layout::new(format, headings, overrides).map_err(|error| UsageError(error.to_string()))?;
        Ok(Self {
            input,
            layout,
            splitter,
            line: 1,
            position: length,
            raw,
        })
    }

    /// The next line that is not blank; none at the end. The outer error is the file's, the inner one the line's.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub fn next_line(&mut self) -> anyhow::Result<Option<Result<RawReading<'_>, LineError>>> {
        loop {
            let length = read_line(&mut self.input, &mut self.raw)?;
            if length == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.position += length;
            if !self.raw.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.line;
        let fields = self.splitter.split(&self.raw);
        let reading = fields.and_then(|fields| self.layout.reading(fields));
        Ok(Some(reading.map_err(|reason| LineError { line, reason })))
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> u64 {
        self.position
    }
}

/// Reads a line with its end into `line` and returns its length; 0 at the end of the file.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<u64> {
    line.clear();
    let length = input.take(LONGEST_LINE).read_until(b'\n', line)? as u64;
    if length == LONGEST_LINE {
        bail!(UsageError(format!(
            "a line is longer than {LONGEST_LINE} bytes: this is no file of readings"
        )));
    }
    Ok(length)
}

/// Some loggers, and spreadsheets of half the world, separate with semicolons.
fn delimiter(header: &[u8]) -> u8 {
    let count = |wanted| header.iter().filter(|&&byte| byte == wanted).count();
    if count(b';') > count(b',') { b';' } else { b',' }
}
