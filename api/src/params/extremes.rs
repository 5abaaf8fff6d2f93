//! The parameters of extremes.

use domain::Metric;

use super::windows::{resolution, time_zone};
use super::{FromQuery, QueryReader, TimePage};
use crate::calendar::Division;

/// Which extremes are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtremesPage {
    /// Of which metrics.
    pub metrics: Vec<Metric>,
    /// Window by window; none for those of the whole range.
    pub division: Option<Division>,
    /// Which windows, or between which times.
    pub page: TimePage,
}

impl FromQuery for ExtremesPage {
    fn read(query: &mut QueryReader) -> Self {
        let names = Metric::ALL.map(Metric::name).join(", ");
        let metrics = query.take(
            "metric",
            &format!("one or more, with commas, of {names}"),
            |text| text.split(',').map(Metric::from_name).collect(),
        );
        let (resolution, zone) = (resolution(query), time_zone(query));
        Self {
            metrics: metrics.unwrap_or_else(|| Metric::ALL.to_vec()),
            division: resolution.map(|resolution| Division { resolution, zone }),
            page: TimePage::read(query),
        }
    }
}
