//! The same thing measured several times.

/// One figure for each round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    /// A figure of what each round has measured, of which there may have been none.
    pub fn of<T>(rounds: Option<&Vec<T>>, figure: impl Fn(&T) -> f64) -> Self {
        rounds.into_iter().flatten().map(figure).collect()
    }

    /// One more round.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one, or the mean of the two in the middle; NaN of none.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => sorted[count / 2],
            count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        }
    }

    /// The least; NaN of none.
    pub fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// The greatest; NaN of none.
    pub fn most(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    /// The value that this share (0 to 1) of the figures does not exceed; NaN of none.
    pub fn quantile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// Round by round, this over `other`.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(one, other)| one / other)
                .collect(),
        )
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        Self(figures.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_not_moved_by_an_outlier() {
        let series: Series = [3.0, 1.0, 100.0].into_iter().collect();
        assert_eq!(
            (series.least(), series.median(), series.most()),
            (1.0, 3.0, 100.0)
        );
        let even: Series = [1.0, 2.0, 3.0, 100.0].into_iter().collect();
        assert_eq!(even.median(), 2.5);
        assert!(Series::default().median().is_nan());
    }

    #[test]
    fn a_quantile_is_one_of_the_figures() {
        let series: Series = (1..=100).map(f64::from).collect();
        assert_eq!(series.quantile(0.99), 99.0);
        assert_eq!(series.quantile(0.5), 50.0);
        assert_eq!(series.quantile(0.0), 1.0);
    }

    #[test]
    fn rounds_are_compared_with_their_own_round() {
        let (one, other): (Series, Series) =
            ([2.0, 9.0].into_iter().collect(), [1.0, 3.0].into_iter().collect());
        assert_eq!(one.over(&other), [2.0, 3.0].into_iter().collect());
    }
}
