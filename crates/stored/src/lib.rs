//! Windows as PostgreSQL stores them, read back as statistics that merge: minutes, and what they were put together
//! to. One reader for all the tables of windows: what differs between them is in the list of columns.
#![warn(missing_docs)]

mod columns;
mod row;
mod table;

pub use row::{StoredWindow, read, read_metrics};
pub use table::{Length, Of, Table};
