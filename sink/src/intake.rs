//! From a record to what becomes of it.

use std::time::Instant;

use avro::{DecodeError, Decoder, SchemaId};
use domain::{Closed, FarmId, FarmWindow, Limits, Timestamp};
use platform::LateReading;
use platform::intake::{NotAdmitted, admit};
use rdkafka::Message;
use rdkafka::message::Headers;

use crate::batch::{Batch, Taken};
use crate::lane::{Lane, Topic};
use crate::rows::reading::Place;

/// No window of ours begins outside of this: 1990 is the earliest event, and the calendar ends in 9999.
const WINDOWS: (Timestamp, Timestamp) = (
    Timestamp::from_micros(631_065_600_000_000),
    Timestamp::from_micros(253_402_128_000_000_000),
);

/// Decides what records become.
#[derive(Debug)]
pub(crate) struct Intake {
    decoder: Decoder,
    limits: Limits,
}

impl Intake {
    /// With this decoder and these limits of the rules.
    pub(crate) const fn new(decoder: Decoder, limits: Limits) -> Self {
        Self { decoder, limits }
    }

    /// Puts a wanted record into the batch, whatever it is.
    ///
    /// # Errors
    /// The id of its schema if that must be looked up first; the batch is as it was.
    pub(crate) fn take<M: Message>(
        &mut self,
        batch: &mut Batch,
        lane: Lane,
        message: &M,
        now: Instant,
    ) -> Result<(), SchemaId> {
        let place = place_of(message);
        match lane.topic {
            Topic::Readings => {
                let admitted = admit(
                    message.key(),
                    message.payload(),
                    place.appended_at,
                    &mut self.decoder,
                    &self.limits,
                );
                match admitted {
                    Ok(reading) => batch.push::<M::Headers>(lane, place, Taken::Reading(&reading), now),
                    Err(NotAdmitted::UnknownSchema(id)) => return Err(id),
                    // the stream-aggregator says why, in a dead letter
                    Err(NotAdmitted::Rejected { .. }) => {
                        batch.push::<M::Headers>(lane, place, Taken::Refused, now);
                    }
                }
            }
            Topic::FarmWindows => {
                let window = self.decoder.farm_window(message.payload().unwrap_or_default());
                let window = believable(window, lane, place, |window| window)?;
                let taken = window.as_ref().map_or(Taken::Refused, Taken::FarmWindow);
                batch.push::<M::Headers>(lane, place, taken, now);
            }
            Topic::TurbineWindows => {
                let window = self.decoder.turbine_window(message.payload().unwrap_or_default());
                let window = believable(window, lane, place, |window| &window.window)?;
                let taken = window.as_ref().map_or(Taken::Refused, Taken::TurbineWindow);
                batch.push::<M::Headers>(lane, place, taken, now);
            }
            Topic::LateReadings => {
                let taken = late(message.key(), message.headers()).unwrap_or_else(|| {
                    refused(lane, place, "it says not which window it was late for");
                    Taken::Refused
                });
                batch.push::<M::Headers>(lane, place, taken, now);
            }
            Topic::DeadLetters => {
                let taken = Taken::DeadLetter(message.key(), message.payload(), message.headers());
                batch.push(lane, place, taken, now);
            }
        }
        Ok(())
    }
}

/// Gives a record up whose schema is definitely nowhere.
pub(crate) fn refuse<M: Message>(batch: &mut Batch, lane: Lane, message: &M, why: &str, now: Instant) {
    let place = place_of(message);
    refused(lane, place, why);
    batch.push::<M::Headers>(lane, place, Taken::Refused, now);
}

fn place_of<M: Message>(message: &M) -> Place {
    Place {
        partition: message.partition(),
        offset: message.offset(),
        appended_at: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default()),
    }
}

/// A window that can be stored. The topic is the stream-aggregator's own: anything else is told, and does not stop us.
fn believable<W>(
    decoded: Result<Closed<W>, DecodeError>,
    lane: Lane,
    place: Place,
    figures: fn(&W) -> &FarmWindow,
) -> Result<Option<Closed<W>>, SchemaId> {
    let why = match decoded {
        Ok(closed) => {
            let window = figures(&closed.window);
            if is_in_calendar(window.window_start) && window.window_start < window.window_end {
                return Ok(Some(closed));
            }
            format!("a window from {} to {}", window.window_start, window.window_end)
        }
        Err(DecodeError::UnknownSchema(id)) => return Err(id),
        Err(error) => error.to_string(),
    };
    refused(lane, place, &why);
    Ok(None)
}

fn late<'a, H: Headers>(key: Option<&[u8]>, headers: Option<&H>) -> Option<Taken<'a, H>> {
    let farm_id = FarmId::parse(std::str::from_utf8(key?).ok()?).ok()?;
    let late = LateReading::from_headers(headers).filter(|late| is_in_calendar(late.window_start))?;
    Some(Taken::Late(farm_id, late))
}

fn is_in_calendar(start: Timestamp) -> bool {
    (WINDOWS.0..WINDOWS.1).contains(&start)
}

fn refused(lane: Lane, place: Place, why: &str) {
    tracing::error!(
        lane = %lane,
        offset = place.offset,
        why,
        "record cannot be stored, left out"
    );
}
