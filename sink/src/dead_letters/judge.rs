//! What today's rules think of a dead letter.

use std::fmt;

use anyhow::Context;
use avro::{DecodeError, Decoder, Registry};
use domain::{Limits, RawReading, Timestamp};
use platform::intake::{NotAdmitted, admit};
use platform::{Rejection, Topics};

use crate::lane::Topic;
use crate::retention::Kept;
use crate::store::WholeLetter;

/// Applies the rules as they are now, at the time that it is now.
#[derive(Debug)]
pub(super) struct Judge {
    registry: Registry,
    decoder: Decoder,
    limits: Limits,
    kept: Kept,
    topics: Topics,
}

/// What would become of a record that is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It would be taken.
    Acceptable,
    /// It would be refused again.
    Refused(Box<Rejection>),
    /// It cannot be sent again, and why.
    NotReplayable(String),
}

impl Judge {
    pub(super) fn new(registry: Registry, limits: Limits, kept: Kept, topics: Topics) -> Self {
        Self {
            decoder: Decoder::new(registry.clone()),
            registry,
            limits,
            kept,
            topics,
        }
    }

    /// Which topic it would be sent to.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub(super) fn topic_of(&self, letter: &WholeLetter) -> Result<Topic, String> {
        let Some(source) = &letter.letter.source else {
            return Err("it never was on Kafka".to_owned());
        };
        match Topic::from_name(&source.topic, &self.topics) {
            Some(topic @ (Topic::Readings | Topic::FarmWindows | Topic::TurbineWindows)) => Ok(topic),
            Some(Topic::LateReadings | Topic::DeadLetters) | None => {
                Err(format!("nothing is sent back to the topic {}", source.topic))
            }
        }
    }

    /// What would become of it if it were appended at `now`.
    ///
    /// # Errors
    /// When its writer's schema is new and the registry cannot be asked.
    pub(super) async fn verdict(&mut self, letter: &WholeLetter, now: Timestamp) -> anyhow::Result<Verdict> {
        let topic = match self.topic_of(letter) {
            Ok(topic) => topic,
            Err(why) => return Ok(Verdict::NotReplayable(why)),
        };
        loop {
            let unknown = match self.judge(topic, letter, now) {
                Ok(verdict) => return Ok(verdict),
                Err(unknown) => unknown,
            };
            match self.registry.resolve(unknown).await {
                Ok(_) => {}
                Err(error) if error.is_transient() => {
                    return Err(error).with_context(|| format!("looking schema {unknown} up"));
                }
                Err(error) => {
                    let rejection = Rejection::undecodable(error.to_string());
                    return Ok(Verdict::Refused(rejection.into()));
                }
            }
        }
    }

    /// The reading that it is, if it is one; of any schema that the registry has told us of.
    pub(super) fn reading<'a>(&mut self, letter: &'a WholeLetter) -> Option<RawReading<'a>> {
        self.topic_of(letter)
            .ok()
            .filter(|topic| *topic == Topic::Readings)?;
        self.decoder.reading(letter.payload.as_deref()?).ok()
    }

    fn judge(
        &mut self,
        topic: Topic,
        letter: &WholeLetter,
        now: Timestamp,
    ) -> Result<Verdict, avro::SchemaId> {
        let payload = letter.payload.as_deref();
        let refused = |error: DecodeError| match error {
            DecodeError::UnknownSchema(id) => Err(id),
            error @ (DecodeError::TooShort { .. }
            | DecodeError::NotFramed { .. }
            | DecodeError::Malformed { .. }
            | DecodeError::Unresolvable { .. }) => {
                Ok(Verdict::Refused(Rejection::undecodable(error.to_string()).into()))
            }
        };
        let decoded = match topic {
            Topic::FarmWindows => self.decoder.farm_window(payload.unwrap_or_default()).map(drop),
            Topic::TurbineWindows => self.decoder.turbine_window(payload.unwrap_or_default()).map(drop),
            Topic::Readings | Topic::LateReadings | Topic::DeadLetters => {
                let admitted = admit(
                    letter.key.as_deref(),
                    payload,
                    now,
                    &mut self.decoder,
                    &self.limits,
                );
                return match admitted {
                    Ok(reading) => Ok(match self.kept.check_reading(reading.event_time) {
                        Ok(()) => Verdict::Acceptable,
                        Err(rejection) => Verdict::Refused(rejection.into()),
                    }),
                    Err(NotAdmitted::UnknownSchema(id)) => Err(id),
                    Err(NotAdmitted::Rejected { rejection, .. }) => Ok(Verdict::Refused(rejection)),
                };
            }
        };
        decoded.map_or_else(refused, |()| Ok(Verdict::Acceptable))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acceptable => f.write_str("would be taken"),
            Self::Refused(rejection) => {
                write!(
                    f,
                    "would be refused again by {}: {}",
                    rejection.rule, rejection.reason
                )
            }
            Self::NotReplayable(why) => write!(f, "cannot be sent again: {why}"),
        }
    }
}
