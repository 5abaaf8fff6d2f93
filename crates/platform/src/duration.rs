//! Durations as people type them.

use std::time::Duration;

use jiff::SignedDuration;

/// A duration such as `500ms`, `10s`, `1m30s` or `2h`, for clap's `value_parser`.
///
/// # Errors
/// What is wanted, when `text` is no duration or a negative one.
pub fn parse(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "a duration such as 500ms, 10s or 1m30s is wanted")?;
    duration
        .try_into()
        .map_err(|_| "a duration cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "10", "-1s", "soon"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
