//! A program's `/metrics`.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use reqwest::Client;

/// One for all: each new one reads all certificates that the machine trusts, which is felt in what is measured.
static CLIENT: LazyLock<Client> = LazyLock::new(Client::new);

/// A page in Prometheus' text format.
#[derive(Debug, Clone, Default)]
pub struct Metrics(String);

impl Metrics {
    /// What the program at this address says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn of(address: &str) -> Result<Self> {
        let url = format!("http://{address}/metrics");
        let response = CLIENT
            .get(&url)
            .send()
            .await
            .with_context(|| format!("asking {url}"))?;
        Ok(Self(response.text().await.context("reading the metrics")?))
    }

    /// The sum of a metric over all its labels; 0 if it is not there.
    pub fn sum(&self, name: &str) -> f64 {
        self.samples(name).map(|(_, value)| value).sum()
    }

    /// The values of a metric by one of its labels, in the order of the page.
    pub fn by(&self, name: &str, label: &str) -> Vec<(String, f64)> {
        let opening = format!("{label}=\"");
        let value_of = |labels: &str| {
            let (_, rest) = labels.split_once(&opening)?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        self.samples(name)
            .filter_map(|(labels, value)| Some((value_of(labels)?, value)))
            .collect()
    }

    fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(labelled) => labelled.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.trim().parse().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_label() {
        let page = "# TYPE phase summary\nphase_sum{phase=\"copy\",thread=\"0\"} 1.5\nphase_sum{phase=\"commit\"} 2\n\
                    phase_sum_other 9\ntotal 7\n";
        let metrics = Metrics(page.to_owned());
        let expected = [("copy".to_owned(), 1.5), ("commit".to_owned(), 2.0)];
        assert_eq!(metrics.by("phase_sum", "phase"), expected);
        assert_eq!(metrics.sum("phase_sum"), 3.5);
        assert_eq!(metrics.sum("total"), 7.0);
        assert_eq!(metrics.sum("missing"), 0.0);
    }
}
