//! What the API answers, as types; their documentation is that of `/openapi.json`.

mod audit;
mod dead_letter;
mod extremes;
mod farm;
mod key;
mod page;
mod reading;
mod window;

pub use audit::Audit;
pub use dead_letter::{DeadLetter, DeadLetterDetail, DeadLetterSource};
pub use extremes::{Extremes, MetricExtremes, TracedExtreme};
pub use farm::{Farm, Turbine};
pub use key::{CreatedKey, Key, KeyLogEntry, KeyState};
pub use page::Page;
pub use reading::Reading;
pub use window::{ExtremeValue, MetricFigures, Resolution, Window, WindowHead};
