//! The parameters of lists of windows.

use super::{FromQuery, QueryReader, TimePage};
use crate::model::Resolution;

/// A page of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowPage {
    /// How long the windows are.
    pub resolution: Resolution,
    /// Which of them.
    pub page: TimePage,
}

impl FromQuery for WindowPage {
    fn read(query: &mut QueryReader) -> Self {
        let words = Resolution::ALL.map(Resolution::as_str);
        let wanted = format!("one of the supported: {}", words.join(", "));
        let resolution = query.take("resolution", &wanted, |text| {
            Resolution::ALL
                .into_iter()
                .find(|resolution| resolution.as_str() == text)
        });
        Self {
            resolution: resolution.unwrap_or(Resolution::Minute),
            page: TimePage::read(query),
        }
    }
}
