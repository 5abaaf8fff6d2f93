//! `producer replay`: sends a file of recorded readings, at their own times or moved as one.

pub mod column;
pub mod event_time;
pub mod format;
pub mod layout;
pub mod play;
pub mod recording;
pub mod splitter;
pub mod survey;

pub use event_time::parse_time_zone;
pub use format::Format;
pub use layout::{HeadingError, Layout, Overrides};
pub use play::{ReplayArgs, ShiftTo, run};
pub use recording::{LineError, Lines, Recording};
pub use survey::Survey;
