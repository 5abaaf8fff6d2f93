//! Which measurements, tags and fields of other people's lines are which farm, turbine and metric of ours.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use domain::Metric;
use serde::Deserialize;

/// The tables that are there without any setting: our own names, and those of the wind turbine data set that the
/// second system kept in InfluxDB.
const PRESETS: &str = include_str!("presets.json");

/// Tables by measurement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LineMap(BTreeMap<String, Table>);

/// What the parts of one measurement's lines mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Where the farm's id is.
    pub farm: Origin,
    /// Where the turbine's id is.
    pub turbine: Origin,
    fields: BTreeMap<String, Meaning>,
}

/// Where an id is: in a tag, or always the same, or the one and else the other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The tag that holds it.
    pub tag: Option<String>,
    /// What it is when there is no such tag.
    pub default: Option<String>,
}

/// What a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Option<String>")]
pub enum Meaning {
    /// The value of a metric.
    Metric(Metric),
    /// The sender's own count.
    Sequence,
    /// What the turbine was doing.
    OperatingStatus,
    /// Nothing to us.
    Ignored,
}

/// What is not the name of anything that a reading has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is nothing that a reading has; wanted is {wanted}, or null for a field that is ignored")]
pub struct UnknownMeaning {
    name: String,
    wanted: String,
}

impl TryFrom<Option<String>> for Meaning {
    type Error = UnknownMeaning;

    fn try_from(name: Option<String>) -> Result<Self, UnknownMeaning> {
        let Some(name) = name else {
            return Ok(Self::Ignored);
        };
        match name.as_str() {
            "sequence" => Ok(Self::Sequence),
            "operating_status" => Ok(Self::OperatingStatus),
            _ => Metric::from_name(&name)
                .map(Self::Metric)
                .ok_or_else(|| UnknownMeaning {
                    name,
                    wanted: format!(
                        "{}, sequence, operating_status",
                        Metric::ALL.map(Metric::name).join(", ")
                    ),
                }),
        }
    }
}

impl Default for LineMap {
    fn default() -> Self {
        serde_json::from_str(PRESETS).expect("the presets are tables")
    }
}

impl LineMap {
    /// The presets, and beside or instead of them the tables of a file.
    ///
    /// # Errors
    /// When it cannot be read or holds no tables.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut map = Self::default();
        if let Some(file) = file {
            let read = || anyhow::Ok(serde_json::from_str::<Self>(&std::fs::read_to_string(file)?)?);
            let own = read().with_context(|| format!("--line-protocol-map {}", file.display()))?;
            map.0.extend(own.0);
        }
        for (measurement, table) in &map.0 {
            for (what, origin) in [("farm", &table.farm), ("turbine", &table.turbine)] {
                anyhow::ensure!(
                    origin.tag.is_some() || origin.default.is_some(),
                    "--line-protocol-map: the {what} of '{measurement}' has neither a tag nor a default"
                );
            }
        }
        Ok(map)
    }

    /// The table of a measurement.
    pub fn table(&self, measurement: &str) -> Option<&Table> {
        self.0.get(measurement)
    }

    /// The measurements that have one.
    pub fn measurements(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// What a field means; none if the table does not say.
    pub fn field(&self, name: &str) -> Option<Meaning> {
        self.fields.get(name).or_else(|| self.fields.get("*")).copied()
    }

    /// The fields that it knows.
    pub fn fields(&self) -> String {
        self.fields
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_know_our_names_and_the_second_systems() {
        let map = LineMap::load(None).unwrap();
        assert_eq!(map.measurements(), "reading, wind_turbine");
        let own = map.table("reading").unwrap();
        for metric in Metric::ALL {
            assert_eq!(own.field(metric.name()), Some(Meaning::Metric(metric)));
        }
        assert_eq!(own.field("operating_status"), Some(Meaning::OperatingStatus));
        assert_eq!(own.field("nonsense"), None);
        let theirs = map.table("wind_turbine").unwrap();
        assert_eq!(
            theirs.field("Theoretical_Power_Curve_KWh"),
            Some(Meaning::Metric(Metric::TheoreticalPower))
        );
        assert_eq!(theirs.farm.tag.as_deref(), Some("location"));
    }

    #[test]
    fn a_file_adds_tables_and_says_what_is_wrong_with_it() {
        let load = |text: &str| {
            let file = std::env::temp_dir().join(format!("veleta-map-{}.json", std::process::id()));
            std::fs::write(&file, text).unwrap();
            let map = LineMap::load(Some(&file)).map_err(|error| format!("{error:#}"));
            std::fs::remove_file(file).unwrap();
            map
        };
        let map = load(
            r#"{"scada": {"farm": {"default": "north"}, "turbine": {"tag": "unit"}, "fields": {"ws": "wind_speed_mps", "*": null}}}"#,
        )
        .unwrap();
        assert_eq!(map.measurements(), "reading, scada, wind_turbine");
        let table = map.table("scada").unwrap();
        assert_eq!(table.field("ws"), Some(Meaning::Metric(Metric::WindSpeed)));
        assert_eq!(table.field("anything"), Some(Meaning::Ignored));

        for (text, reason) in [
            ("{", "EOF"),
            (
                r#"{"a": {"farm": {}, "turbine": {"tag": "t"}, "fields": {}}}"#,
                "the farm of 'a' has neither a tag nor a default",
            ),
            (
                r#"{"a": {"farm": {"tag": "f"}, "turbine": {"tag": "t"}, "fields": {"x": "wind"}}}"#,
                "'wind' is nothing that a reading has",
            ),
            (
                r#"{"a": {"farms": {"tag": "f"}, "turbine": {"tag": "t"}, "fields": {}}}"#,
                "unknown field `farms`",
            ),
        ] {
            let refusal = load(text).unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
        }
    }
}
