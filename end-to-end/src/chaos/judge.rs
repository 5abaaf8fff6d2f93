//! What must have come out of the readings, whatever happened to the aggregator: a group-by of the whole topic, done once
//! more by the simplest means.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use avro::{Decoder, RecordType};
use domain::{
    Arrival, Closed, FarmId, FarmWindow, Limits, TimeDelta, Timestamp, TurbineWindow, WindowSummary,
};
use platform::intake::{NotAdmitted, admit};
use platform::{DeadLetter, LateReading, Topics};
use testkit::{Record, Stack, committed_records};

/// Who has refused what is looked at.
const COMPONENT: &str = "stream-aggregator";

/// Partition and offset of a reading.
type Place = (i32, i64);

/// How much was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) readings: usize,
    pub(super) farm_windows: usize,
    pub(super) turbine_windows: usize,
    pub(super) late: usize,
    pub(super) dead_letters: usize,
}

/// The topics of one installation, read whole.
struct Judge {
    stack: Stack,
    topics: Topics,
    decoder: Decoder,
    size: TimeDelta,
}

/// Compares every window, late reading and dead letter with the readings; all windows must have closed.
///
/// # Errors
/// The first difference.
pub(super) async fn judge(stack: &Stack, size: TimeDelta) -> Result<Verdict> {
    let topics = stack.kafka().topics();
    let registry = stack.registry().registry()?;
    for (topic, record) in [
        (&topics.readings, RecordType::Reading),
        (&topics.farm_windows, RecordType::FarmWindow),
        (&topics.turbine_windows, RecordType::TurbineWindow),
    ] {
        registry.register(topic, record).await?;
    }
    let mut judge = Judge {
        stack: stack.clone(),
        topics,
        decoder: Decoder::new(registry),
        size,
    };
    tokio::task::block_in_place(|| judge.compare())
}

impl Judge {
    fn compare(&mut self) -> Result<Verdict> {
        let late = self.late()?;
        let (readings, expected, refused) = self.group_by(&late)?;
        let dead_letters = self.dead_letters()?;
        ensure!(
            dead_letters == refused,
            "dead letters: of {:?} there is none, of {:?} there should be none",
            refused.difference(&dead_letters).next(),
            dead_letters.difference(&refused).next()
        );

        let mut farms = BTreeMap::new();
        let mut turbines = BTreeMap::new();
        for ((farm, start), summary) in expected {
            let (window, of_turbines) = summary.finish(&farm, start, start + self.size);
            turbines.extend(
                of_turbines
                    .into_iter()
                    .map(|window| ((farm.clone(), start, window.turbine_id.clone()), window)),
            );
            farms.insert((farm, start), window);
        }
        let (farm_windows, turbine_windows) = (farms.len(), turbines.len());
        for window in self.farm_windows()? {
            let key = (window.farm_id.clone(), window.window_start);
            let wanted = farms.remove(&key);
            let wanted =
                wanted.with_context(|| format!("a farm's window is there twice, or for nothing: {key:?}"))?;
            ensure!(
                as_counted(window.clone()) == wanted,
                "a farm's window is\n{window:?}\nand should be\n{wanted:?}"
            );
        }
        for window in self.turbine_windows()? {
            let key = (
                window.window.farm_id.clone(),
                window.window.window_start,
                window.turbine_id.clone(),
            );
            let wanted = turbines.remove(&key);
            let wanted = wanted
                .with_context(|| format!("a turbine's window is there twice, or for nothing: {key:?}"))?;
            ensure!(
                as_counted(window.window.clone()) == wanted.window,
                "a turbine's window is\n{window:?}\nand should be\n{wanted:?}"
            );
        }
        if let Some((key, window)) = farms.first_key_value() {
            bail!(
                "{} farm's windows are missing, first {key:?}: {window:?}",
                farms.len()
            );
        }
        if let Some((key, _)) = turbines.first_key_value() {
            bail!("{} turbine's windows are missing, first {key:?}", turbines.len());
        }
        Ok(Verdict {
            readings,
            farm_windows,
            turbine_windows,
            late: late.len(),
            dead_letters: dead_letters.len(),
        })
    }

    /// How many readings there are, the windows of those that are not late, and where those lie that are none.
    #[expect(clippy::type_complexity, reason = "three things that one pass gives")]
    fn group_by(
        &mut self,
        late: &BTreeSet<Place>,
    ) -> Result<(
        usize,
        BTreeMap<(FarmId, Timestamp), WindowSummary>,
        BTreeSet<Place>,
    )> {
        let mut summaries = BTreeMap::<_, WindowSummary>::new();
        let mut refused = BTreeSet::new();
        let records = self.read(&self.topics.readings);
        let limits = Limits::default();
        let mut newest = BTreeMap::new();
        let mut in_time = 0;
        for record in &records {
            let place = (record.partition, record.offset);
            let admitted = admit(
                Some(&record.key),
                Some(&record.payload),
                record.timestamp,
                &mut self.decoder,
                &limits,
            );
            match admitted {
                Ok(_) if late.contains(&place) => {}
                Ok(reading) => {
                    in_time += 1;
                    let (farm_id, start) = (reading.to_farm_id(), reading.event_time.floor_to(self.size));
                    let newest = newest
                        .entry((farm_id.clone(), reading.turbine_id.to_string()))
                        .or_insert(start);
                    let arrival = Arrival {
                        appended_at: record.timestamp,
                        is_overtaken: *newest > start,
                    };
                    *newest = start.max(*newest);
                    summaries.entry((farm_id, start)).or_default().add_arrived(
                        &reading.turbine_id,
                        reading.event_time,
                        &reading.metrics,
                        arrival,
                    );
                }
                Err(NotAdmitted::Rejected { .. }) => {
                    refused.insert(place);
                }
                Err(NotAdmitted::UnknownSchema(id)) => bail!("schema {id} of the reading at {place:?}"),
            }
        }
        let told = in_time + refused.len() + late.len();
        ensure!(
            told == records.len(),
            "of {} readings {told} are in time, refused or late: a late one is none",
            records.len()
        );
        Ok((records.len(), summaries, refused))
    }

    fn late(&self) -> Result<BTreeSet<Place>> {
        places(self.read(&self.topics.late_readings).iter().map(|record| {
            let late = LateReading::from_headers(record.raw_headers.as_ref());
            late.map(|late| (late.source.partition, late.source.offset))
        }))
        .context("late readings")
    }

    fn dead_letters(&self) -> Result<BTreeSet<Place>> {
        let letters = self.read(&self.topics.dead_letters);
        let letters = letters
            .iter()
            .map(|record| DeadLetter::from_headers(record.raw_headers.as_ref()))
            .filter(|letter| letter.component == COMPONENT);
        places(letters.map(|letter| letter.source.map(|source| (source.partition, source.offset))))
            .context("dead letters")
    }

    fn farm_windows(&mut self) -> Result<Vec<FarmWindow>> {
        let records = self.read(&self.topics.farm_windows);
        let decoded = records
            .iter()
            .map(|record| self.decoder.farm_window(&record.payload));
        Ok(decoded
            .map(|closed| closed.map(|Closed { window, .. }| window))
            .collect::<Result<_, _>>()?)
    }

    fn turbine_windows(&mut self) -> Result<Vec<TurbineWindow>> {
        let records = self.read(&self.topics.turbine_windows);
        let decoded = records
            .iter()
            .map(|record| self.decoder.turbine_window(&record.payload));
        Ok(decoded
            .map(|closed| closed.map(|Closed { window, .. }| window))
            .collect::<Result<_, _>>()?)
    }

    fn read(&self, topic: &str) -> Vec<Record> {
        committed_records(&self.stack.kafka(), topic)
    }
}

/// Without the count of rejected readings: which window notes one depends on when the farm was quiet.
fn as_counted(mut window: FarmWindow) -> FarmWindow {
    window.rejected_count = 0;
    window
}

fn places(found: impl Iterator<Item = Option<Place>>) -> Result<BTreeSet<Place>> {
    let mut places = BTreeSet::new();
    for place in found {
        let place = place.context("one does not say where it lay")?;
        ensure!(places.insert(place), "the one from {place:?} is there twice");
    }
    Ok(places)
}
