//! InfluxDB's way in: its line protocol, read by tables that say what other people's names mean here, and its own
//! errors, so that its clients write to us unchanged.

mod error;
mod line;
mod map;
mod written;

pub use error::{InfluxError, Version};
pub use line::{FieldValue, Line, LineError, lines};
pub use map::{LineMap, Meaning, Origin, Table};
pub use written::{Fault, Precision, Written, read};
