//! The rules of windows in their plainest form: keeps what it likes, looks at every farm at every step, and shares no
//! code with the real ones. In whatever unit of time the [`Rules`] are told in.

use std::collections::{BTreeMap, BTreeSet};

/// Window size, grace and idle time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) size: i64,
    pub(crate) grace: i64,
    pub(crate) idle_after: i64,
    /// A second.
    pub(crate) second: i64,
}

impl Rules {
    /// How long a rejected reading waits for the first one of its window: at least this much log time, at most twice.
    const fn stretch(&self) -> i64 {
        self.size + self.grace + self.idle_after
    }

    const fn start(&self, event: i64) -> i64 {
        event.div_euclid(self.size) * self.size
    }
}

/// A closed window in short, to be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Emitted {
    pub(crate) end: i64,
    pub(crate) farm: String,
    pub(crate) idle: bool,
    pub(crate) readings: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    pub(crate) out_of_order: u64,
    /// The turbines whose clocks seem to be ahead.
    pub(crate) suspicious: BTreeSet<String>,
    /// Greatest value, its turbine and event time.
    pub(crate) max: (i64, String, i64),
    /// The turbines that reported.
    pub(crate) turbines: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Duplicate,
    Late,
}

pub(crate) struct Naive {
    rules: Rules,
    farms: BTreeMap<String, Farm>,
}

#[derive(Default)]
struct Farm {
    closed_until: Option<i64>,
    windows: BTreeMap<i64, Window>,
    /// Of each rejected reading that no window counts yet its window's start and when log time ends it.
    notes: Vec<(i64, i64)>,
    /// Append time of the last reading, and the highest stream time that a record has met.
    stream: Option<(i64, i64)>,
}

#[derive(Default)]
struct Window {
    readings: BTreeMap<(String, i64), i64>,
    /// Turbine, event time and append time of all that came, and whether it was counted.
    arrivals: Vec<(String, i64, i64, bool)>,
    out_of_order: u64,
    duplicates: u64,
    rejected: u64,
}

impl Naive {
    pub(crate) const fn new(rules: Rules) -> Self {
        Self {
            rules,
            farms: BTreeMap::new(),
        }
    }

    /// Log time has come to `now`.
    pub(crate) fn advance(&mut self, now: i64) -> Vec<Emitted> {
        let mut emitted: Vec<_> = self
            .farms
            .iter_mut()
            .flat_map(|(name, farm)| farm.advance(&self.rules, name, now))
            .collect();
        emitted.sort();
        emitted
    }

    /// A reading, after log time came to `now`.
    pub(crate) fn read(&mut self, farm: &str, turbine: &str, event: i64, value: i64, now: i64) -> Fate {
        let rules = &self.rules;
        let farm = self.farms.entry(farm.to_owned()).or_default();
        let late = farm.meets(rules, event, now);
        let fate = if late {
            Fate::Late
        } else {
            let start = rules.start(event);
            let is_overtaken = farm.windows.range(start..).any(|(_, window)| {
                let mut readings = window.readings.keys();
                readings.any(|(other, later)| other == turbine && *later > event)
            });
            let window = farm.window(start);
            let is_new = !window.readings.contains_key(&(turbine.to_owned(), event));
            window.arrivals.push((turbine.to_owned(), event, now, is_new));
            let slot = window.readings.entry((turbine.to_owned(), event));
            if let std::collections::btree_map::Entry::Vacant(slot) = slot {
                slot.insert(value);
                window.out_of_order += u64::from(is_overtaken);
                Fate::Accepted
            } else {
                window.duplicates += 1;
                Fate::Duplicate
            }
        };
        farm.stream = match farm.stream {
            Some((_, met)) => Some((now, met)),
            None if late => None,
            None => Some((now, i64::MIN)),
        };
        fate
    }

    /// A reading that broke a rule, after log time came to `now`.
    pub(crate) fn reject(&mut self, farm: &str, event: i64, now: i64) {
        let rules = &self.rules;
        let farm = self.farms.entry(farm.to_owned()).or_default();
        let start = rules.start(event);
        farm.notes
            .retain(|(other, _)| (other - start).abs() <= rules.size + rules.grace);
        if farm.meets(rules, event, now) {
            return;
        }
        match farm.windows.get_mut(&start) {
            Some(window) => window.rejected += 1,
            None => {
                let stretch = rules.stretch();
                farm.notes.push((start, (now.div_euclid(stretch) + 2) * stretch));
            }
        }
    }
}

impl Farm {
    /// How far the readings of the open windows have moved stream time.
    fn highest(&self) -> Option<i64> {
        let (last_append, _) = self.stream?;
        let all = || self.windows.values().flat_map(|window| &window.arrivals);
        let on_time = all()
            .filter(|(_, event, appended, _)| event <= appended)
            .map(|(_, event, ..)| *event)
            .max();
        let mut ahead = BTreeMap::<&str, i64>::new();
        for (turbine, event, ..) in all().filter(|(_, event, appended, _)| event > appended) {
            let highest = ahead.entry(turbine).or_insert(*event);
            *highest = (*event).max(*highest);
        }
        let mut ahead: Vec<i64> = ahead.into_values().collect();
        ahead.sort_unstable();
        let highest = ahead.pop();
        let second = ahead.pop();
        on_time.max(highest.map(|highest| highest.min(last_append.max(second.unwrap_or(i64::MIN)))))
    }

    fn stream_time(&self, rules: &Rules, now: i64) -> Option<i64> {
        let (last_append, _) = self.stream?;
        let all = self.windows.values().flat_map(|window| &window.arrivals);
        let latest = all.map(|(_, event, ..)| *event).max();
        self.highest().map(|highest| match now - last_append {
            quiet if quiet >= rules.idle_after => last_append.min(latest.unwrap()) + quiet,
            _ => highest,
        })
    }

    /// A record comes at `now`; is the window of its event closed?
    fn meets(&mut self, rules: &Rules, event: i64, now: i64) -> bool {
        let stream_time = self.stream_time(rules, now);
        if let (Some((_, met)), Some(stream_time)) = (&mut self.stream, stream_time) {
            *met = stream_time.max(*met);
        }
        let end = rules.start(event) + rules.size;
        self.closed_until.is_some_and(|until| end <= until)
            || self.stream.is_some_and(|(_, met)| end + rules.grace <= met)
    }

    fn window(&mut self, start: i64) -> &mut Window {
        let window = self.windows.entry(start).or_default();
        window.rejected += self.notes.extract_if(.., |(of, _)| *of == start).count() as u64;
        window
    }

    fn advance(&mut self, rules: &Rules, name: &str, now: i64) -> Vec<Emitted> {
        self.notes.retain(|(_, ends_at)| now < *ends_at);
        let starts: Vec<_> = self.windows.keys().copied().collect();
        let mut emitted = Vec::new();
        let (highest, stream_time) = (self.highest(), self.stream_time(rules, now));
        for start in starts {
            let end = start + rules.size;
            if Some(end + rules.grace) > stream_time {
                break;
            }
            let window = self.windows.remove(&start).unwrap();
            self.closed_until = self.closed_until.max(Some(end));
            emitted.push(window.emit(rules, name, end, highest < Some(end + rules.grace)));
            if self.windows.is_empty() {
                self.stream = None;
            }
        }
        emitted
    }
}

impl Window {
    /// Whose lead over the broker's clock is more than a second longer than the median of the others', if that is one.
    fn suspicious(&self, second: i64) -> BTreeSet<String> {
        let mut leads = BTreeMap::<&str, i64>::new();
        for (turbine, event, appended, _) in self.arrivals.iter().filter(|(.., counted)| *counted) {
            let lead = leads.entry(turbine).or_insert(i64::MIN);
            *lead = (event - appended).max(*lead);
        }
        let is_suspicious = |turbine: &str| {
            let mut others: Vec<_> = leads
                .iter()
                .filter(|(other, _)| **other != turbine)
                .map(|(_, lead)| *lead)
                .collect();
            others.sort_unstable();
            let median = others
                .get(others.len().saturating_sub(1) / 2)
                .copied()
                .unwrap_or(0);
            leads[turbine] > median.max(0) + second
        };
        leads
            .keys()
            .filter(|turbine| is_suspicious(turbine))
            .map(|turbine| (*turbine).to_owned())
            .collect()
    }

    fn emit(self, rules: &Rules, farm: &str, end: i64, idle: bool) -> Emitted {
        let (max, event, turbine) = self
            .readings
            .iter()
            .map(|((turbine, event), value)| (-value, *event, turbine.clone()))
            .min()
            .map(|(negative, event, turbine)| (-negative, event, turbine))
            .unwrap();
        Emitted {
            suspicious: self.suspicious(rules.second),
            out_of_order: self.out_of_order,
            end,
            farm: farm.to_owned(),
            idle,
            readings: self.readings.len() as u64,
            duplicates: self.duplicates,
            rejected: self.rejected,
            max: (max, turbine, event),
            turbines: self.readings.into_keys().map(|(turbine, _)| turbine).collect(),
        }
    }
}
