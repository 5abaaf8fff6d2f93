//! The formats that can be replayed, each a small table: what its headings mean, how it writes times, what it leaves
//! out. The one parser for all of them is [`super::layout`].

use domain::Metric;

use super::column::Column;
use super::event_time::TimeStyle;

/// A format of recorded readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Kaggle's "Wind Turbine Scada Dataset" (T1.csv): one turbine in Turkey, 10 min, local time without an offset
    T1,
    /// La Haute Borne (ENGIE): times with their offset, -273.2 °C and empty cells for what is missing
    LaHauteBorne,
    /// Any CSV whose headings are `event_time` and the metrics' names, and `farm_id`, `turbine_id`, `sequence`,
    /// `operating_status` where there are such
    Csv,
}

impl Format {
    /// What a heading means in this format; none if it means nothing here.
    pub fn column(self, heading: &str) -> Option<Column> {
        match self {
            Self::T1 => t1(heading),
            Self::LaHauteBorne => Some(la_haute_borne(heading)),
            Self::Csv => Column::from_name(heading),
        }
    }

    /// The headings that a person may have meant.
    pub fn known_headings(self) -> String {
        match self {
            Self::T1 => T1_HEADINGS.map(|(heading, _)| heading).join(", "),
            Self::LaHauteBorne => LA_HAUTE_BORNE_HEADINGS.map(|(heading, _)| heading).join(", "),
            Self::Csv => Column::names().collect::<Vec<_>>().join(", "),
        }
    }

    /// How times are written.
    pub const fn time_style(self) -> TimeStyle {
        match self {
            Self::T1 => TimeStyle::DayFirst,
            Self::LaHauteBorne | Self::Csv => TimeStyle::Iso,
        }
    }

    /// The time zone of times without an offset, unless somebody says otherwise.
    pub const fn default_time_zone(self) -> Option<&'static str> {
        match self {
            Self::T1 => Some("+03:00"),
            Self::LaHauteBorne | Self::Csv => None,
        }
    }

    /// The farm of a file that does not name any.
    pub const fn default_farm(self) -> Option<&'static str> {
        match self {
            Self::T1 => Some("t1"),
            Self::LaHauteBorne => Some("la-haute-borne"),
            Self::Csv => None,
        }
    }

    /// The turbine of a file that does not name any.
    pub const fn default_turbine(self) -> Option<&'static str> {
        match self {
            Self::T1 => Some("T1"),
            Self::LaHauteBorne | Self::Csv => None,
        }
    }

    /// Whether this number is the format's way to say that there is none.
    pub fn means_missing(self, metric: Metric, value: f64) -> bool {
        // colder than absolute zero: what a logger makes of a thermometer that does not answer
        self == Self::LaHauteBorne && metric == Metric::AmbientTemperature && value < -273.15
    }
}

/// The theoretical power is kW, whatever its heading says: it is the curve's power at that wind, not ten minutes' work.
const T1_HEADINGS: [(&str, Column); 5] = [
    ("Date/Time", Column::EventTime),
    ("LV ActivePower (kW)", Column::Metric(Metric::ActivePower)),
    ("Wind Speed (m/s)", Column::Metric(Metric::WindSpeed)),
    (
        "Theoretical_Power_Curve (KWh)",
        Column::Metric(Metric::TheoreticalPower),
    ),
    ("Wind Direction (°)", Column::Metric(Metric::WindDirection)),
];

const LA_HAUTE_BORNE_HEADINGS: [(&str, Column); 9] = [
    ("Wind_turbine_name", Column::TurbineId),
    ("Date_time", Column::EventTime),
    ("Ba_avg", Column::Metric(Metric::BladePitch)),
    ("P_avg", Column::Metric(Metric::ActivePower)),
    ("Ws_avg", Column::Metric(Metric::WindSpeed)),
    ("Wa_avg", Column::Metric(Metric::WindDirection)),
    ("Ya_avg", Column::Metric(Metric::NacelleDirection)),
    ("Ot_avg", Column::Metric(Metric::AmbientTemperature)),
    ("Rs_avg", Column::Metric(Metric::RotorSpeed)),
];

fn t1(heading: &str) -> Option<Column> {
    T1_HEADINGS
        .iter()
        .find(|(name, _)| *name == heading)
        .map(|(_, column)| *column)
}

/// The farm's full data has a hundred more columns, of which we have no use.
fn la_haute_borne(heading: &str) -> Column {
    let known = LA_HAUTE_BORNE_HEADINGS.iter().find(|(name, _)| *name == heading);
    known.map_or(Column::Ignored, |(_, column)| *column)
}
