//! Takes what can be taken and says of the rest why not.

use std::collections::HashSet;

use domain::{Limits, RawReading, Timestamp, validate};
use platform::Rejection;
use platform::json::{farm_of, reading_of};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kafka::Refused;

/// A reading that was refused. It is kept as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rejected {
    /// Its place among the readings of the request, from 0.
    pub index: usize,
    /// The rule that it broke, or `undecodable`.
    pub rule: String,
    /// The field at fault.
    pub field: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// What it should have been.
    pub bound: Option<String>,
    /// One sentence.
    pub message: String,
}

impl Rejected {
    /// How much memory it takes, about.
    pub(super) fn size_bytes(&self) -> usize {
        let optional = [&self.field, &self.value, &self.bound];
        let optional = optional.into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.rule.len() + self.message.len() + optional
    }
}

/// The readings of a request, sorted.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Those that are taken, valid and canonical.
    pub readings: Vec<RawReading<'static>>,
    /// Those that are not, and are to become dead letters.
    pub refused: Vec<Refused>,
    /// The same, for the client.
    rejected: Vec<Rejected>,
    /// Those that became dead letters when the same request came before.
    known: Vec<Rejected>,
}

impl Sorted {
    /// Every farm that these readings name, those of refused ones included.
    pub fn farms(&self) -> impl Iterator<Item = &str> {
        let refused = self.refused.iter().filter_map(|refused| refused.key.as_deref());
        self.readings
            .iter()
            .map(|reading| &*reading.farm_id)
            .chain(refused)
    }

    /// What was refused, in the order of the request.
    pub fn into_rejected(self) -> Vec<Rejected> {
        self.into_dead_letters(|_| true)
    }

    /// What was refused and is a dead letter for certain, given that `is_sent` says which of the refused are there.
    pub fn into_dead_letters(self, is_sent: impl Fn(usize) -> bool) -> Vec<Rejected> {
        let sent = self
            .rejected
            .into_iter()
            .enumerate()
            .filter(|(place, _)| is_sent(*place));
        let mut all: Vec<_> = self
            .known
            .into_iter()
            .chain(sent.map(|(_, rejected)| rejected))
            .collect();
        all.sort_by_key(|rejected| rejected.index);
        all
    }

    fn refuse(&mut self, index: usize, bytes: &[u8], rejection: Rejection) {
        self.rejected.push(Rejected {
            index,
            rule: rejection.rule.clone().into_owned(),
            field: rejection.field.clone(),
            value: rejection.value.clone(),
            bound: rejection.bound.clone(),
            message: rejection.reason.clone(),
        });
        self.refused.push(Refused {
            key: farm_of(bytes),
            payload: bytes.to_vec(),
            rejection,
        });
    }
}

/// Applies every rule to each of `parts`, with `now` in the place of the broker's clock, which decides in the end.
/// Those that are `known` to be dead letters from an earlier attempt stay what they are.
pub fn sort(parts: &[&[u8]], now: Timestamp, limits: &Limits, known: Vec<Rejected>) -> Sorted {
    let is_known: HashSet<usize> = known.iter().map(|rejected| rejected.index).collect();
    let mut sorted = Sorted {
        known,
        ..Sorted::default()
    };
    let new = parts
        .iter()
        .enumerate()
        .filter(|(index, _)| !is_known.contains(index));
    for (index, bytes) in new {
        let valid = reading_of(bytes).and_then(|raw| validate(raw, now, limits).map_err(Rejection::from));
        match valid {
            Ok(reading) => sorted.readings.push(reading.into_raw()),
            Err(rejection) => sorted.refuse(index, bytes, rejection),
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn reading(turbine: &str, speed: f64) -> String {
        format!(
            r#"{{"farm_id":"north","turbine_id":"{turbine}","event_time":"{NOW}","wind_speed_mps":{speed}}}"#
        )
    }

    #[test]
    fn each_is_judged_alone_and_kept_as_it_came() {
        let parts = [
            reading("T1", 8.0),
            reading("T2", 80.5),
            "[1]".to_owned(),
            reading("T3", 9.0),
        ];
        let bytes: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        let sorted = sort(&bytes, NOW, &Limits::default(), Vec::new());

        let taken: Vec<_> = sorted
            .readings
            .iter()
            .map(|reading| &*reading.turbine_id)
            .collect();
        assert_eq!(taken, ["T1", "T3"]);
        let refused: Vec<_> = sorted
            .rejected
            .iter()
            .map(|r| (r.index, r.rule.as_str(), r.bound.as_deref()))
            .collect();
        assert_eq!(
            refused,
            [(1, "wind_speed_mps", Some("[0, 75]")), (2, "undecodable", None)]
        );
        assert_eq!(sorted.refused[0].payload, parts[1].as_bytes());
        assert_eq!(sorted.refused[0].key.as_deref(), Some("north"));
        assert_eq!(sorted.refused[1].key, None);
        assert_eq!(sorted.farms().collect::<Vec<_>>(), ["north", "north", "north"]);
    }

    #[test]
    fn what_is_a_dead_letter_already_does_not_become_another() {
        let parts = [
            reading("T1", 80.0),
            reading("T2", 80.0),
            reading("T3", 9.0),
            reading("T4", 80.0),
        ];
        let bytes: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        let indexes = |rejected: &[Rejected]| rejected.iter().map(|r| r.index).collect::<Vec<_>>();
        let first = sort(&bytes, NOW, &Limits::default(), Vec::new());
        let known = first.into_dead_letters(|place| place == 1);
        assert_eq!(indexes(&known), [1]);

        let second = sort(&bytes, NOW, &Limits::default(), known);
        let refused: Vec<_> = second.refused.iter().map(|refused| &*refused.payload).collect();
        assert_eq!(refused, [parts[0].as_bytes(), parts[3].as_bytes()]);
        assert_eq!(second.readings.len(), 1);
        assert_eq!(indexes(&second.into_rejected()), [0, 1, 3]);
    }
}
