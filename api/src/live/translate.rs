//! From a record of Kafka's to what is told of it.

use std::time::Duration;

use avro::{DecodeError, Decoder, Registry, SchemaId};
use domain::{FarmId, Limits, Timestamp};
use platform::intake::{NotAdmitted, admit};
use platform::{DeadLetterId, LateReading, Topics};
use rdkafka::Message;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::event::Place;
use super::{Event, Source};
use crate::model::{DeadLetter, Reading, Window};

/// Between two tries to learn a schema.
const AGAIN: Duration = Duration::from_secs(1);

/// What comes of a record.
#[derive(Debug)]
pub(super) enum Translated {
    Event(Event),
    /// A window will be made anew.
    Late(Late),
    /// Nothing is told of it: a dead letter tells, or it is none of ours.
    Nothing,
}

/// A late reading, by which a window is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) farm: FarmId,
    pub(super) window_start: Timestamp,
}

/// Translates on a thread that may wait.
pub(super) struct Translator {
    registry: Registry,
    decoder: Decoder,
    limits: Limits,
    topics: Topics,
    runtime: Handle,
    stop: CancellationToken,
}

impl Translator {
    pub(super) fn new(
        registry: Registry,
        limits: Limits,
        topics: Topics,
        runtime: Handle,
        stop: CancellationToken,
    ) -> Self {
        Self {
            decoder: Decoder::new(registry.clone()),
            registry,
            limits,
            topics,
            runtime,
            stop,
        }
    }

    /// Where a record lies, if its topic is one of ours.
    pub(super) fn place<M: Message>(&self, message: &M) -> Option<Place> {
        Some(Place {
            source: Source::of_topic(message.topic(), &self.topics)?,
            partition: message.partition(),
            offset: message.offset(),
        })
    }

    /// What is told of a record. Waits for a registry that is away: the record cannot be read without it.
    pub(super) fn translate<M: Message>(&mut self, place: Place, message: &M) -> Translated {
        loop {
            match self.try_translate(place, message) {
                Ok(translated) => return translated,
                Err(id) if self.learn(id) => {}
                Err(_) => return Translated::Nothing,
            }
        }
    }

    fn try_translate<M: Message>(&mut self, place: Place, message: &M) -> Result<Translated, SchemaId> {
        Ok(match place.source {
            Source::Readings => self.reading(place, message)?,
            Source::Windows => self.window(place, message)?,
            Source::LateReadings => late(place, message).map_or(Translated::Nothing, Translated::Late),
            Source::DeadLetters => Translated::Event(dead_letter(place, message)),
        })
    }

    fn reading<M: Message>(&mut self, place: Place, message: &M) -> Result<Translated, SchemaId> {
        let admitted = admit(
            message.key(),
            message.payload(),
            appended_at(message),
            &mut self.decoder,
            &self.limits,
        );
        match admitted {
            Ok(reading) => {
                let farm = reading.to_farm_id();
                Ok(Translated::Event(Event::new(
                    place,
                    Some(farm),
                    &Reading::from(&reading),
                )))
            }
            Err(NotAdmitted::UnknownSchema(id)) => Err(id),
            Err(NotAdmitted::Rejected { .. }) => Ok(Translated::Nothing),
        }
    }

    fn window<M: Message>(&mut self, place: Place, message: &M) -> Result<Translated, SchemaId> {
        match self.decoder.farm_window(message.payload().unwrap_or_default()) {
            Ok(closed) => {
                let farm = closed.window.farm_id.clone();
                Ok(Translated::Event(Event::new(
                    place,
                    Some(farm),
                    &Window::from(closed),
                )))
            }
            Err(DecodeError::UnknownSchema(id)) => Err(id),
            Err(error) => {
                tracing::error!(?place, %error, "a window that cannot be read is not told");
                Ok(Translated::Nothing)
            }
        }
    }

    /// Whether the schema is known now.
    fn learn(&self, id: SchemaId) -> bool {
        self.runtime.block_on(async {
            loop {
                let resolved = tokio::select! {
                    resolved = self.registry.resolve(id) => resolved,
                    () = self.stop.cancelled() => return false,
                };
                match resolved {
                    Ok(_) => return true,
                    Err(error) if error.is_transient() => tokio::time::sleep(AGAIN).await,
                    Err(error) => {
                        tracing::error!(schema.id = id, %error, "records of this schema are not told");
                        return false;
                    }
                }
            }
        })
    }
}

fn late<M: Message>(place: Place, message: &M) -> Option<Late> {
    let farm = FarmId::parse(std::str::from_utf8(message.key()?).ok()?).ok()?;
    let late = LateReading::from_headers(message.headers())?;
    Some(Late {
        partition: place.partition,
        offset: place.offset,
        farm,
        window_start: late.window_start,
    })
}

fn dead_letter<M: Message>(place: Place, message: &M) -> Event {
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
    let farm = key.and_then(|key| FarmId::parse(key).ok());
    let id = DeadLetterId {
        partition: place.partition,
        offset: place.offset,
    };
    let letter = platform::DeadLetter::from_headers(message.headers());
    let told = DeadLetter::new(id, appended_at(message), farm.as_ref(), letter);
    Event::new(place, farm, &told)
}

fn appended_at<M: Message>(message: &M) -> Timestamp {
    Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default())
}
