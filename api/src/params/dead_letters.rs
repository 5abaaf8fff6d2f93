//! The parameters of the list of dead letters.

use domain::FarmId;

use super::{FromQuery, KeyPage, Order, QueryReader, TimeRange};
use crate::queries::dead_letters::DeadLetterKey;

/// A page of dead letters.
#[derive(Debug, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// Only of this farm.
    pub farm: Option<FarmId>,
    /// Only by this rule.
    pub rule: Option<String>,
    /// Only those appended then.
    pub range: TimeRange,
    /// Which of them.
    pub page: KeyPage<DeadLetterKey>,
}

impl FromQuery for DeadLetterPage {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            farm: query.take("farm", "1 to 64 characters out of A-Z a-z 0-9 . _ : -", |text| {
                text.parse().ok()
            }),
            rule: query.take("rule", "the name of a rule, such as wind_speed_mps", rule),
            range: TimeRange::take(query),
            page: KeyPage::take(query, Order::Desc),
        }
    }
}

fn rule(text: &str) -> Option<String> {
    let is_name =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| text.to_owned())
}
