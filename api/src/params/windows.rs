//! The parameters of lists of windows.

use jiff::tz::TimeZone;

use super::{FromQuery, QueryReader, TimePage};
use crate::calendar::Division;
use crate::model::Resolution;

/// A page of windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPage {
    /// How long the windows are, and by whose clocks.
    pub division: Division,
    /// Which of them.
    pub page: TimePage,
}

impl FromQuery for WindowPage {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            division: Division {
                resolution: resolution(query).unwrap_or(Resolution::Minute),
                zone: time_zone(query),
            },
            page: TimePage::read(query),
        }
    }
}

/// Takes the parameter `resolution`.
pub(super) fn resolution(query: &mut QueryReader) -> Option<Resolution> {
    let words = Resolution::ALL.map(Resolution::as_str);
    let wanted = format!("one of the supported: {}", words.join(", "));
    query.take("resolution", &wanted, |text| {
        Resolution::ALL
            .into_iter()
            .find(|resolution| resolution.as_str() == text)
    })
}

/// Takes the parameter `time_zone`.
pub(super) fn time_zone(query: &mut QueryReader) -> TimeZone {
    let wanted = "a name of the IANA database such as Europe/Madrid";
    let zone = query.take("time_zone", wanted, |text| {
        // whatever is none is not looked for in the file system either
        let is_name = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
        (text.len() <= 64 && text.chars().all(is_name))
            .then(|| TimeZone::get(text).ok())
            .flatten()
    });
    zone.unwrap_or(TimeZone::UTC)
}
