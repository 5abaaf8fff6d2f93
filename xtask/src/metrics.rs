//! As much of the Prometheus text format as the live line needs.

/// The sum of a counter over all its labels; none if it is not there.
pub(crate) fn sum(page: &str, name: &str) -> Option<f64> {
    let samples = page
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter_map(|rest| {
            let value = match rest.strip_prefix('{') {
                Some(labelled) => labelled.rsplit_once('}')?.1,
                None => rest.strip_prefix(' ')?,
            };
            value.split_whitespace().next()?.parse::<f64>().ok()
        });
    samples.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# TYPE windfarm_x_total counter
windfarm_x_total{partition=\"0\",odd=\"}\"} 3
windfarm_x_total{partition=\"1\"} 4.5

windfarm_x_total_more 100
windfarm_y_total 7
";

    #[test]
    fn sums_over_labels() {
        assert_eq!(sum(PAGE, "windfarm_x_total"), Some(7.5));
        assert_eq!(sum(PAGE, "windfarm_y_total"), Some(7.0));
        assert_eq!(sum(PAGE, "windfarm_z_total"), None);
    }
}
