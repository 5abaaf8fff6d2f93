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
    /// Whether minutes count too that have not closed yet.
    pub with_provisional: bool,
}

impl FromQuery for WindowPage {
    fn read(query: &mut QueryReader) -> Self {
        let resolution = resolution(query).unwrap_or(Resolution::Minute);
        Self {
            division: Division {
                resolution,
                zone: time_zone(query),
            },
            with_provisional: with_provisional(query, resolution),
            page: TimePage::read(query),
        }
    }
}

/// Takes the parameter `provisional`. Only minutes are made of readings, and only JSON can mark them.
fn with_provisional(query: &mut QueryReader, resolution: Resolution) -> bool {
    let is_possible = resolution == Resolution::Minute && !query.is_file;
    let wanted = if is_possible {
        "true or false"
    } else {
        "false, or resolution=1m and format=json"
    };
    let asked = query.take("provisional", wanted, |text| match text {
        "true" => is_possible.then_some(true),
        "false" => Some(false),
        _ => None,
    });
    asked.unwrap_or(false)
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
