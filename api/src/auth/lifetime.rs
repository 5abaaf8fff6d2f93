//! How long a key is good for, as people write it.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Further than that no calendar goes.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A duration such as `90d` or `12h`, a day being 24 hours; none is longer than 100 years.
///
/// # Errors
/// What is wanted instead.
pub fn lifetime(text: &str) -> Result<Duration, String> {
    let wanted = || "a duration such as 90d or 12h is wanted, of up to 100 years".to_owned();
    let span: Span = text.parse().map_err(|_| wanted())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wanted())?;
    let duration = Duration::try_from(duration).map_err(|_| wanted())?;
    (duration <= LONGEST).then_some(duration).ok_or_else(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_may_be_told_in_days() {
        assert_eq!(lifetime("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(lifetime("12h"), Ok(Duration::from_secs(12 * 3_600)));
        assert_eq!(lifetime("0s"), Ok(Duration::ZERO));
        for bad in ["", "soon", "-1d", "9000000d"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
