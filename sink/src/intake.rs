//! From a record to what becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use avro::{DecodeError, Decoder, SchemaId};
use domain::{Closed, FarmId, FarmWindow, Limits, Timestamp};
use platform::LateReading;
use platform::intake::{NotAdmitted, admit};
use rdkafka::Message;
use rdkafka::message::Headers;

use crate::batch::{Pipeline, Taken};
use crate::lane::{Lane, Topic};
use crate::retention::KeptDays;
use crate::rows::reading::Place;

/// No window of ours begins outside of this: 1990 is the earliest event, and the calendar ends in 9999.
const WINDOWS: (Timestamp, Timestamp) = (
    Timestamp::from_micros(631_065_600_000_000),
    Timestamp::from_micros(253_402_128_000_000_000),
);

/// One record in so many is timed: reading the clock for each would cost as much as the work.
const TIMED_EVERY: u32 = 16;

/// Decides what records become.
#[derive(Debug)]
pub(crate) struct Intake {
    decoder: Decoder,
    limits: Limits,
    kept: Arc<KeptDays>,
    stopwatch: Stopwatch,
}

/// How long the records of a batch took, by estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Timings {
    /// From bytes to a checked reading or window.
    pub(crate) decode: Duration,
    /// From there to a row.
    pub(crate) encode: Duration,
}

#[derive(Debug, Default)]
struct Stopwatch {
    turn: u32,
    timings: Timings,
}

impl Intake {
    /// With this decoder and these limits of the rules.
    pub(crate) fn new(decoder: Decoder, limits: Limits, kept: Arc<KeptDays>) -> Self {
        Self {
            decoder,
            limits,
            kept,
            stopwatch: Stopwatch::default(),
        }
    }

    /// What it took since the last time that this was asked.
    pub(crate) fn timings(&mut self) -> Timings {
        std::mem::take(&mut self.stopwatch.timings)
    }

    /// Puts a wanted record into the batch, whatever it is.
    ///
    /// # Errors
    /// The id of its schema if that must be looked up first; the batch is as it was.
    pub(crate) fn take<M: Message>(
        &mut self,
        batch: &mut Pipeline,
        lane: Lane,
        message: &M,
        now: Instant,
    ) -> Result<(), SchemaId> {
        let place = place_of(message);
        let begun = self.stopwatch.start();
        let mut put = |stopwatch: &mut Stopwatch, taken: Taken<'_, M::Headers>| {
            let decoded = begun.map(|begun| (begun, Instant::now()));
            batch.push(lane, place, taken, now);
            stopwatch.stop(decoded);
        };
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
                    Ok(reading) => {
                        let taken = match self.kept.get().check_reading(reading.event_time) {
                            Ok(()) => Taken::Reading(&reading),
                            Err(rejection) => Taken::Gone(rejection.into()),
                        };
                        put(&mut self.stopwatch, taken);
                    }
                    Err(NotAdmitted::UnknownSchema(id)) => return Err(id),
                    // the stream-aggregator says why, in a dead letter
                    Err(NotAdmitted::Rejected { .. }) => put(&mut self.stopwatch, Taken::Refused),
                }
            }
            Topic::FarmWindows => {
                let window = self.decoder.farm_window(message.payload().unwrap_or_default());
                let window = believable(window, lane, place, |window| window)?;
                let kept = self.kept.get();
                let window = window.filter(|closed| kept.has_windows(closed.window.window_start));
                let taken = window.as_ref().map_or(Taken::Refused, Taken::FarmWindow);
                put(&mut self.stopwatch, taken);
            }
            Topic::TurbineWindows => {
                let window = self.decoder.turbine_window(message.payload().unwrap_or_default());
                let window = believable(window, lane, place, |window| &window.window)?;
                let kept = self.kept.get();
                let window = window.filter(|closed| kept.has_windows(closed.window.window.window_start));
                let taken = window.as_ref().map_or(Taken::Refused, Taken::TurbineWindow);
                put(&mut self.stopwatch, taken);
            }
            Topic::LateReadings => {
                let taken = late(message.key(), message.headers()).unwrap_or_else(|| {
                    refused(lane, place, "it says not which window it was late for");
                    Taken::Refused
                });
                put(&mut self.stopwatch, taken);
            }
            Topic::DeadLetters => {
                let taken = Taken::DeadLetter(message.key(), message.payload(), message.headers());
                put(&mut self.stopwatch, taken);
            }
        }
        Ok(())
    }
}

impl Stopwatch {
    /// When the record that is timed begins; none if it is not timed.
    fn start(&mut self) -> Option<Instant> {
        self.turn = self.turn.wrapping_add(1);
        self.turn.is_multiple_of(TIMED_EVERY).then(Instant::now)
    }

    /// Ends a record that began and was decoded then.
    fn stop(&mut self, begun_and_decoded: Option<(Instant, Instant)>) {
        if let Some((begun, decoded)) = begun_and_decoded {
            self.timings.decode += (decoded - begun) * TIMED_EVERY;
            self.timings.encode += decoded.elapsed() * TIMED_EVERY;
        }
    }
}

/// Gives a record up whose schema is definitely nowhere.
pub(crate) fn refuse<M: Message>(batch: &mut Pipeline, lane: Lane, message: &M, why: &str, now: Instant) {
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
