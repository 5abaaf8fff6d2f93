//! What one window of one farm says: of the farm, and of each turbine that reported.

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use crate::quality::{Watch, gaps, median, usual_interval};
use crate::running::RunningMetrics;
use crate::stats::{MetricStats, WindowMetrics};
use crate::{FarmId, Metric, Metrics, Quality, TimeDelta, Timestamp, TurbineId, clock};

/// Why a window closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Newer readings of the farm moved its stream time past the window's end and grace.
    StreamTime,
    /// The farm had been quiet, and log time moved its stream time on.
    Idle,
}

impl CloseReason {
    /// Its symbol in the schema and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamTime => "STREAM_TIME",
            Self::Idle => "IDLE",
        }
    }

    /// The reason of that symbol.
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        [Self::StreamTime, Self::Idle]
            .into_iter()
            .find(|reason| reason.as_str() == symbol)
    }
}

/// A window of a whole farm. Every maximum and minimum names its turbine.
#[derive(Debug, Clone, PartialEq)]
pub struct FarmWindow {
    /// The farm.
    pub farm_id: FarmId,
    /// First instant of the window.
    pub window_start: Timestamp,
    /// First instant after the window.
    pub window_end: Timestamp,
    /// Readings that the figures are made of.
    pub reading_count: u64,
    /// Readings left out because their turbine and event time had been counted already.
    pub duplicate_count: u64,
    /// Readings left out because they broke a rule.
    pub rejected_count: u64,
    /// Turbines that the figures are made of.
    pub turbine_count: u64,
    /// Σ over turbines of mean active power × window length, kWh; none if no turbine told its power.
    pub energy_kwh: Option<f64>,
    /// The statistics of each metric.
    pub metrics: WindowMetrics<TurbineId>,
    /// How much is odd about the readings.
    pub quality: Quality,
    /// The turbines whose clocks ran ahead by more than a second more than their fellows' did, in order; the first
    /// hundred.
    pub suspicious_clocks: Vec<TurbineId>,
}

/// A window of one turbine: the same figures, of it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct TurbineWindow {
    /// The turbine.
    pub turbine_id: TurbineId,
    /// Its figures; `turbine_count` is 1.
    pub window: FarmWindow,
}

/// A window that has closed, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed<W> {
    /// The window's figures.
    pub window: W,
    /// Why it closed.
    pub close_reason: CloseReason,
}

/// What [`WindowSummary::add`] made of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is among the figures now.
    Counted,
    /// A reading of that turbine and event time was there already; the first one stays.
    Duplicate,
}

/// The readings of one farm's window while they are gathered, turbine by turbine.
#[derive(Debug, Clone, Default)]
pub struct WindowSummary {
    /// Boxed, as they are large: finding one looks at few bytes of the map, and putting them in order moves few.
    turbines: HashMap<TurbineId, Box<TurbineSummary>>,
    reading_count: u64,
}

/// How a reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When the broker appended it.
    pub appended_at: Timestamp,
    /// Whether a reading of its turbine that belongs to a later window has come before it.
    pub is_overtaken: bool,
}

#[derive(Debug, Clone, Default)]
struct TurbineSummary {
    /// Sorted: for finding duplicates, and its length is the number of readings.
    event_times: Vec<Timestamp>,
    duplicate_count: u64,
    rejected_count: u64,
    metrics: RunningMetrics,
    watch: Watch,
    /// The most that an event time was ahead of its append time.
    lead: Option<TimeDelta>,
}

impl WindowSummary {
    /// Takes the reading of a turbine; the caller has seen that it lies in this window and is valid. How it came is
    /// not known.
    pub fn add(&mut self, turbine_id: &str, event_time: Timestamp, metrics: &Metrics) -> Added {
        self.take(turbine_id, event_time, metrics, None)
    }

    /// The same of one that has just come.
    pub fn add_arrived(
        &mut self,
        turbine_id: &str,
        event_time: Timestamp,
        metrics: &Metrics,
        arrival: Arrival,
    ) -> Added {
        self.take(turbine_id, event_time, metrics, Some(arrival))
    }

    /// Whether there is a reading of that turbine.
    pub fn has_reading_of(&self, turbine_id: &str) -> bool {
        self.turbines
            .get(turbine_id)
            .is_some_and(|turbine| !turbine.event_times.is_empty())
    }

    fn take(
        &mut self,
        turbine_id: &str,
        event_time: Timestamp,
        metrics: &Metrics,
        arrival: Option<Arrival>,
    ) -> Added {
        let turbine = self.turbine(turbine_id);
        let added = turbine.add(event_time, metrics, arrival);
        self.reading_count += u64::from(added == Added::Counted);
        added
    }

    /// Counts a reading of a turbine that broke a rule.
    pub fn reject(&mut self, turbine_id: &str) {
        self.turbine(turbine_id).rejected_count += 1;
    }

    /// How many readings the figures are made of. While it is 0 there is no window to tell of.
    pub const fn reading_count(&self) -> u64 {
        self.reading_count
    }

    /// The figures of the farm and of each turbine with a reading, in the order of turbine ids.
    pub fn finish(
        self,
        farm_id: &FarmId,
        window_start: Timestamp,
        window_end: Timestamp,
    ) -> (FarmWindow, Vec<TurbineWindow>) {
        let blank = FarmWindow {
            farm_id: farm_id.clone(),
            window_start,
            window_end,
            reading_count: 0,
            duplicate_count: 0,
            rejected_count: 0,
            turbine_count: 0,
            energy_kwh: None,
            metrics: WindowMetrics::default(),
            quality: Quality::default(),
            suspicious_clocks: Vec::new(),
        };
        let mut turbines: Vec<_> = self.turbines.into_iter().collect();
        turbines.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let usual_intervals = usual_intervals(turbines.iter().map(|(_, turbine)| &**turbine));
        let leads = turbines.iter();
        let leads: Vec<_> = leads
            .filter_map(|(turbine_id, turbine)| Some((turbine_id, turbine.lead?)))
            .collect();
        let suspicious_clocks = clock::suspicious(&leads);

        let mut farm = blank.clone();
        let mut windows = Vec::with_capacity(turbines.len());
        farm.suspicious_clocks = suspicious_clocks;
        for ((turbine_id, turbine), usual_interval) in turbines.into_iter().zip(usual_intervals) {
            farm.duplicate_count += turbine.duplicate_count;
            farm.rejected_count += turbine.rejected_count;
            if turbine.event_times.is_empty() {
                continue;
            }
            let is_suspicious = farm.suspicious_clocks.binary_search(&turbine_id).is_ok();
            let mut window = turbine.finish(&turbine_id, usual_interval, blank.clone());
            window
                .suspicious_clocks
                .extend(is_suspicious.then(|| turbine_id.clone()));
            farm.include(&window);
            windows.push(TurbineWindow { turbine_id, window });
        }
        (farm, windows)
    }

    fn turbine(&mut self, turbine_id: &str) -> &mut TurbineSummary {
        match self.turbines.entry_ref(turbine_id) {
            EntryRef::Occupied(entry) => entry.into_mut(),
            EntryRef::Vacant(entry) => {
                let id = TurbineId::parse(turbine_id)
                    .expect("only readings with a valid turbine id are summarised");
                entry.insert_with_key(id, Box::default())
            }
        }
    }
}

impl TurbineSummary {
    fn add(&mut self, event_time: Timestamp, metrics: &Metrics, arrival: Option<Arrival>) -> Added {
        let mut is_out_of_order = arrival.is_some_and(|arrival| arrival.is_overtaken);
        match self.event_times.last() {
            Some(&last) if event_time <= last => match self.event_times.binary_search(&event_time) {
                Ok(_) => {
                    self.duplicate_count += 1;
                    return Added::Duplicate;
                }
                Err(place) => {
                    is_out_of_order = true;
                    self.event_times.insert(place, event_time);
                }
            },
            _ => self.event_times.push(event_time),
        }
        self.watch.take(metrics, is_out_of_order);
        if let Some(arrival) = arrival {
            self.lead = self.lead.max(Some(event_time.since(arrival.appended_at)));
        }
        self.metrics.take(metrics, event_time);
        Added::Counted
    }

    fn finish(
        self,
        turbine_id: &TurbineId,
        usual_interval: Option<TimeDelta>,
        mut window: FarmWindow,
    ) -> FarmWindow {
        window.quality = self.watch.quality;
        if let Some(usual) = usual_interval {
            window.quality.gap = gaps(&self.event_times, usual, window.window_start, window.window_end);
        }
        window.reading_count = self.event_times.len() as u64;
        window.duplicate_count = self.duplicate_count;
        window.rejected_count = self.rejected_count;
        window.turbine_count = 1;
        for (metric, stats) in self.metrics.of(turbine_id) {
            window.metrics.set(metric, Some(stats));
        }
        window.energy_kwh = energy_kwh(&window.metrics, window.window_end.since(window.window_start));
        window
    }
}

impl FarmWindow {
    /// Adds the figures of one more turbine, but for the counts of what was left out.
    fn include(&mut self, turbine: &Self) {
        self.quality.merge(turbine.quality);
        self.reading_count += turbine.reading_count;
        self.turbine_count += 1;
        for (metric, stats) in turbine.metrics.iter() {
            self.metrics.merge(metric, stats.clone());
        }
        if let Some(energy_kwh) = turbine.energy_kwh {
            self.energy_kwh = Some(self.energy_kwh.unwrap_or(0.0) + energy_kwh);
        }
    }
}

/// Each turbine's usual interval between two readings, or that of its fellows.
fn usual_intervals<'t>(turbines: impl Iterator<Item = &'t TurbineSummary>) -> Vec<Option<TimeDelta>> {
    let mut scratch = Vec::new();
    let mut usual: Vec<_> = turbines
        .map(|turbine| usual_interval(&turbine.event_times, &mut scratch))
        .collect();
    scratch.clear();
    scratch.extend(usual.iter().flatten());
    if !scratch.is_empty() && scratch.len() < usual.len() {
        let fellows = median(&mut scratch);
        usual
            .iter_mut()
            .for_each(|usual| *usual = usual.or(Some(fellows)));
    }
    usual
}

/// Energy of one turbine over a window: mean active power × length.
fn energy_kwh(metrics: &WindowMetrics<TurbineId>, length: TimeDelta) -> Option<f64> {
    match metrics.get(Metric::ActivePower)? {
        MetricStats::Scalar(stats) => Some(stats.mean * length.as_hours()),
        MetricStats::Direction(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(600_000_000);
    const END: Timestamp = Timestamp::from_micros(660_000_000);

    fn second(second: i64) -> Timestamp {
        START + TimeDelta::from_secs(second)
    }

    fn power(kw: f64) -> Metrics {
        [(Metric::ActivePower, kw)].into_iter().collect()
    }

    fn finish(summary: WindowSummary) -> (FarmWindow, Vec<TurbineWindow>) {
        summary.finish(&FarmId::parse("north").unwrap(), START, END)
    }

    #[test]
    fn a_farm_is_the_merge_of_its_turbines_and_names_them() {
        let mut summary = WindowSummary::default();
        summary.add("T2", second(0), &power(600.0));
        summary.add("T1", second(0), &power(1_200.0));
        summary.add("T1", second(1), &power(2_400.0));
        let (farm, turbines) = finish(summary);

        let names: Vec<_> = turbines.iter().map(|t| t.turbine_id.as_str()).collect();
        assert_eq!(names, ["T1", "T2"]);
        assert_eq!((farm.reading_count, farm.turbine_count), (3, 2));
        let stats = farm.metrics.get(Metric::ActivePower).unwrap();
        assert_eq!(
            (stats.min().turbine_id.as_str(), stats.min().value),
            ("T2", 600.0)
        );
        assert_eq!(
            (stats.max().turbine_id.as_str(), stats.max().event_time),
            ("T1", second(1))
        );
        // (1800 + 600) kW over a minute: each turbine counts by its own mean, however often it reports
        assert!((farm.energy_kwh.unwrap() - 40.0).abs() < 1e-12);
    }

    #[test]
    fn the_first_reading_of_a_turbine_and_time_wins() {
        let mut summary = WindowSummary::default();
        assert_eq!(summary.add("T1", second(5), &power(1.0)), Added::Counted);
        assert_eq!(summary.add("T1", second(3), &power(2.0)), Added::Counted);
        assert_eq!(summary.add("T1", second(5), &power(3.0)), Added::Duplicate);
        assert_eq!(summary.add("T2", second(5), &power(4.0)), Added::Counted);
        let (farm, _) = finish(summary);
        assert_eq!((farm.reading_count, farm.duplicate_count), (3, 1));
        assert_eq!(farm.metrics.get(Metric::ActivePower).unwrap().max().value, 4.0);
    }

    #[test]
    fn rejected_readings_are_counted_but_make_no_turbine_window() {
        let mut summary = WindowSummary::default();
        summary.reject("T1");
        assert_eq!(summary.reading_count(), 0);
        summary.add("T2", second(0), &power(1.0));
        summary.reject("T2");
        let (farm, turbines) = finish(summary);
        assert_eq!(
            (farm.rejected_count, farm.turbine_count, turbines.len()),
            (2, 1, 1)
        );
        assert_eq!(turbines[0].window.rejected_count, 1);
    }

    #[test]
    fn what_is_odd_is_counted_by_turbine_and_for_the_farm() {
        let mut summary = WindowSummary::default();
        let mut come = |turbine: &str, event, appended, is_overtaken| {
            let arrival = Arrival {
                appended_at: second(appended),
                is_overtaken,
            };
            summary.add_arrived(turbine, second(event), &power(event as f64), arrival);
        };
        for event in 0..60 {
            come("T1", event, event, false);
        }
        come("T2", 40, 20, false); // by a clock that is 20 s ahead
        come("T2", 10, 30, false); // out of order
        come("T3", 55, 66, true); // so is this, by what came for the next window
        assert!(summary.has_reading_of("T3") && !summary.has_reading_of("T4"));
        let (farm, turbines) = finish(summary);
        let quality: Vec<_> = turbines.iter().map(|t| t.window.quality.counts()).collect();
        // unresponsive, out of order, gap, off curve; the gaps are those of who should send each second as T1 does
        assert_eq!(quality, [[0, 0, 0, 0], [0, 1, 3, 0], [0, 1, 1, 0]]);
        assert_eq!(farm.quality.counts(), [0, 2, 4, 0]);
        let suspicious: Vec<_> = farm.suspicious_clocks.iter().map(TurbineId::as_str).collect();
        assert_eq!(suspicious, ["T2"]);
        assert_eq!(turbines[1].window.suspicious_clocks, farm.suspicious_clocks);
        assert!(turbines[0].window.suspicious_clocks.is_empty());
    }

    #[test]
    fn a_farm_that_tells_no_power_has_no_energy() {
        let mut summary = WindowSummary::default();
        summary.add(
            "T1",
            second(0),
            &[(Metric::WindDirection, 10.0)].into_iter().collect(),
        );
        assert_eq!(finish(summary).0.energy_kwh, None);
    }
}
