//! What the columns of a file mean.

use domain::Metric;

/// The meaning of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The farm's id.
    FarmId,
    /// The turbine's id.
    TurbineId,
    /// When it was measured.
    EventTime,
    /// The sender's count.
    Sequence,
    /// What the turbine was doing.
    OperatingStatus,
    /// A metric, in our unit.
    Metric(Metric),
    /// Nothing to us.
    Ignored,
}

impl Column {
    /// The meaning of a column that is headed as in our own contract.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "farm_id" => Some(Self::FarmId),
            "turbine_id" => Some(Self::TurbineId),
            "event_time" => Some(Self::EventTime),
            "sequence" => Some(Self::Sequence),
            "operating_status" => Some(Self::OperatingStatus),
            _ => Metric::from_name(name).map(Self::Metric),
        }
    }

    /// Every name that [`Self::from_name`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        [
            "event_time",
            "farm_id",
            "turbine_id",
            "sequence",
            "operating_status",
        ]
        .into_iter()
        .chain(Metric::ALL.into_iter().map(Metric::name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_is_known_and_no_other() {
        assert!(Column::names().all(|name| Column::from_name(name).is_some()));
        assert_eq!(Column::names().count(), 13);
        assert_eq!(Column::from_name("wind_speed"), None);
    }
}
