//! What becomes of a message: pure.

use domain::{Limits, RawReading, Timestamp, validate};
use platform::Rejection;
use platform::json::{MAX_READING_BYTES, farm_of, reading_of};

/// A message, judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged<'m> {
    /// A reading that is taken, valid and canonical.
    Reading(Box<RawReading<'static>>),
    /// One that is not, and is to become a dead letter.
    Refused {
        /// The farm that it claims to be from.
        key: Option<String>,
        /// Its bytes; of one that is far too large the beginning.
        payload: &'m [u8],
        /// Why.
        rejection: Rejection,
    },
}

/// Applies every rule to a message, with `now` in the place of Kafka's clock, which decides in the end.
pub fn judge<'m>(payload: &'m [u8], now: Timestamp, limits: &Limits) -> Judged<'m> {
    if payload.len() > MAX_READING_BYTES {
        return Judged::Refused {
            key: None,
            payload: &payload[..MAX_READING_BYTES],
            rejection: Rejection::undecodable(format!(
                "the message has {} bytes, wanted are at most {MAX_READING_BYTES}; the beginning is kept",
                payload.len()
            )),
        };
    }
    let valid = reading_of(payload).and_then(|raw| validate(raw, now, limits).map_err(Rejection::from));
    match valid {
        Ok(reading) => Judged::Reading(Box::new(reading.into_raw())),
        Err(rejection) => Judged::Refused {
            key: farm_of(payload),
            payload,
            rejection,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn judged(payload: &[u8]) -> Judged<'_> {
        judge(payload, NOW, &Limits::default())
    }

    fn reading(speed: f64) -> String {
        format!(r#"{{"farm_id":"north","turbine_id":"T1","event_time":"{NOW}","wind_speed_mps":{speed}}}"#)
    }

    #[test]
    fn a_reading_is_taken_and_what_breaks_a_rule_is_kept_as_it_came() {
        assert!(
            matches!(judged(reading(8.0).as_bytes()), Judged::Reading(reading) if reading.farm_id == "north")
        );
        let bad = reading(80.0);
        let Judged::Refused {
            key,
            payload,
            rejection,
        } = judged(bad.as_bytes())
        else {
            panic!("80 m/s are taken");
        };
        assert_eq!((key.as_deref(), payload), (Some("north"), bad.as_bytes()));
        assert_eq!(rejection.rule, "wind_speed_mps");
    }

    #[test]
    fn bytes_that_are_no_reading_are_refused_whatever_they_are() {
        for bytes in [&b""[..], b"8.5", b"[]", b"\xff\x00", b"{\"farm_id\":7}"] {
            assert!(
                matches!(judged(bytes), Judged::Refused { key: None, .. }),
                "{bytes:?}"
            );
        }
        let large = vec![b' '; MAX_READING_BYTES + 1];
        let Judged::Refused {
            payload, rejection, ..
        } = judged(&large)
        else {
            panic!("it is taken");
        };
        assert_eq!(payload.len(), MAX_READING_BYTES);
        assert!(rejection.reason.contains("262145 bytes"), "{}", rejection.reason);
    }
}
