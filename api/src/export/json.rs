//! An array in JSON, as the first system's clients take it.

use serde::Serialize;

use super::{EncodeError, Encoder};

/// Writes rows with commas between a beginning and an end.
#[derive(Debug)]
pub struct JsonArray {
    beginning: String,
    end: &'static str,
    is_empty: bool,
}

impl JsonArray {
    /// Between `beginning`, which opens the array, and `end`, which closes it.
    pub const fn new(beginning: String, end: &'static str) -> Self {
        Self {
            beginning,
            end,
            is_empty: true,
        }
    }
}

impl<T: Serialize> Encoder<T> for JsonArray {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(self.beginning.as_bytes());
        Ok(())
    }

    fn row(&mut self, row: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !std::mem::take(&mut self.is_empty) {
            out.push(b',');
        }
        serde_json::to_writer(out, row).map_err(|error| EncodeError(error.into()))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}
