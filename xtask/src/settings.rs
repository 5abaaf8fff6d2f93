//! What a stack was started with, kept in its folder, so that every later command finds it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::ports::Ports;

/// `DIR/settings.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) ports: Ports,
    /// None for a stack without a producer.
    pub(crate) simulation: Option<Simulation>,
    /// Whether the data must survive a loss of power. Tests throw it away, and are quicker without.
    pub(crate) durable: bool,
    /// Whether the servers are set up for measuring: with more memory.
    #[serde(default)]
    pub(crate) measured: bool,
}

/// What `producer simulate` is told. What is not given is left to its own defaults, and it alone judges the values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
pub(crate) struct Simulation {
    /// Number of simulated farms
    #[arg(long, default_value = "1")]
    pub(crate) farms: String,
    /// Number of turbines of each farm
    #[arg(long, default_value = "10")]
    pub(crate) turbines: String,
    /// Time between two readings of a turbine, such as 1s or 500ms
    #[arg(long)]
    pub(crate) interval: Option<String>,
    /// Seed of the weather and the faults
    #[arg(long)]
    pub(crate) seed: Option<String>,
    /// Probability, from 0 to 1, that a metric of a reading is spoiled
    #[arg(long)]
    pub(crate) error_probability: Option<String>,
    /// How many times faster than life the simulation runs
    #[arg(long)]
    pub(crate) speedup: Option<String>,
}

impl Simulation {
    /// As arguments of `producer simulate`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let flags = [
            ("--farms", Some(&self.farms)),
            ("--turbines", Some(&self.turbines)),
            ("--interval", self.interval.as_ref()),
            ("--seed", self.seed.as_ref()),
            ("--error-probability", self.error_probability.as_ref()),
            ("--speedup", self.speedup.as_ref()),
        ];
        flags
            .into_iter()
            .filter_map(|(flag, value)| value.map(|value| [flag.to_owned(), value.clone()]))
            .flatten()
            .collect()
    }
}

impl Settings {
    /// What the stack in that folder was started with; none if there never was one.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("settings.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("cannot understand {}", path.display()))
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let text = serde_json::to_string_pretty(self).context("cannot write the settings as JSON")?;
        let path = dir.join("settings.json");
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_reaches_the_producer() {
        let simulation = Simulation {
            farms: "2".into(),
            turbines: "5".into(),
            speedup: Some("60".into()),
            ..Simulation::default()
        };
        assert_eq!(
            simulation.arguments(),
            ["--farms", "2", "--turbines", "5", "--speedup", "60"]
        );
    }

    #[test]
    fn survives_its_file() {
        let dir = std::env::temp_dir().join(format!("xtask-settings-{}", std::process::id()));
        assert_eq!(Settings::load(&dir).unwrap(), None);
        let settings = Settings {
            ports: Ports::with_offset(7).unwrap(),
            simulation: Some(Simulation::default()),
            durable: true,
            measured: false,
        };
        settings.save(&dir).unwrap();
        assert_eq!(Settings::load(&dir).unwrap(), Some(settings));
        fs::remove_dir_all(dir).unwrap();
    }
}
