//! Lists as files: rows as CSV and Parquet, written while they are read, so that a million of them take no more
//! memory than a few thousand.

mod csv;
mod format;
mod json;
mod parquet;
mod rows;
mod table;

pub use csv::CsvWriter;
pub use format::Format;
pub use json::JsonArray;
pub use parquet::ParquetWriter;
pub use table::{Cell, Column, Kind, Tabular};

/// Why a row could not be written; memory takes every row, so it is our own fault.
#[derive(Debug, thiserror::Error)]
#[error("a row could not be written: {0}")]
pub struct EncodeError(#[from] Box<dyn std::error::Error + Send + Sync>);

/// Writes rows one after the other into memory, from where they are sent.
pub trait Encoder<T> {
    /// Writes what comes before all rows.
    ///
    /// # Errors
    /// [`EncodeError`], which nobody expects.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Writes a row, now or together with later ones.
    ///
    /// # Errors
    /// [`EncodeError`], which nobody expects.
    fn row(&mut self, row: &T, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Writes what comes after all rows.
    ///
    /// # Errors
    /// [`EncodeError`], which nobody expects.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}
