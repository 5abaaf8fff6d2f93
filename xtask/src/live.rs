//! The line that `up` refreshes each second while it runs in the foreground.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;
use serde::Deserialize;

use crate::http;
use crate::interrupt::Interrupt;
use crate::metrics;
use crate::programs;
use crate::readiness::Readiness;
use crate::service::Service;
use crate::stack::Stack;

/// What the stream-aggregator counts.
const READINGS: &str = "windfarm_stream_aggregator_records_processed_total";
const DEAD_LETTERS: &str = "windfarm_stream_aggregator_dead_letters_total";

/// Shows how things go until interrupted. Where nobody watches, only each new window is a line.
pub(crate) fn show(stack: &Stack, api_key: &str, interrupt: &Interrupt) {
    let terminal = io::stdout().is_terminal();
    let mut view = View::default();
    let mut last_printed = None;
    while !interrupt.is_raised() {
        view.tell_of_the_dead(stack);
        let line = view.line(stack, api_key);
        if terminal {
            // A line that wraps could not be written over.
            let line: String = line.chars().take(width()).collect();
            let mut out = io::stdout();
            // A terminal that is gone sends a signal too.
            let _ = write!(out, "\r\x1b[K{line}").and_then(|()| out.flush());
        } else if view.window.is_some() && view.window != last_printed {
            say!("{line}");
            last_printed.clone_from(&view.window);
        }
        interrupt.sleep(Duration::from_secs(1));
    }
    say!("");
}

/// Columns of the terminal.
fn width() -> usize {
    tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col).max(1))
}

/// What is known from earlier looks.
#[derive(Default)]
struct View {
    readings: Option<(Instant, f64)>,
    window: Option<Window>,
    dead: Vec<Service>,
}

impl View {
    fn line(&mut self, stack: &Stack, api_key: &str) -> String {
        let page = http::get(&metrics_url(stack), &[])
            .map(|answer| answer.body)
            .unwrap_or_default();
        let rate = self.readings_per_s(metrics::sum(&page, READINGS).unwrap_or(0.0));
        let dead_letters = metrics::sum(&page, DEAD_LETTERS).unwrap_or(0.0);
        if let Some(window) = last_window(stack, api_key) {
            self.window = Some(window);
        }
        let window = self
            .window
            .as_ref()
            .map_or_else(|| "no window closed yet".to_owned(), Window::describe);
        format!("{rate:.1} readings/s | {window} | {dead_letters} dead letters")
    }

    fn readings_per_s(&mut self, total: f64) -> f64 {
        let now = Instant::now();
        let rate = self.readings.map_or(0.0, |(then, before)| {
            (total - before) / (now - then).as_secs_f64()
        });
        self.readings = Some((now, total));
        // The counter begins anew with its process.
        rate.max(0.0)
    }

    /// Names each process that ended by itself, once.
    fn tell_of_the_dead(&mut self, stack: &Stack) {
        for service in stack.services() {
            let dead = matches!(Readiness::recorded(service, stack), Some(false));
            if dead && !self.dead.contains(&service) {
                say!("\n{service} ended by itself; see `cargo xtask logs {service}`");
            }
            self.dead.retain(|&one| one != service);
            if dead {
                self.dead.push(service);
            }
        }
    }
}

fn metrics_url(stack: &Stack) -> String {
    format!(
        "http://{}/metrics",
        programs::management_address(Service::StreamAggregator, &stack.settings)
    )
}

/// A list of the API's.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Farm {
    farm_id: String,
}

/// What the line tells of a farm's window.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Window {
    farm_id: String,
    start: String,
    metrics: Metrics,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Metrics {
    wind_speed_mps: Option<Statistics>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Statistics {
    min: Extreme,
    max: Extreme,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Extreme {
    value: f64,
    turbine_id: String,
}

impl Window {
    fn describe(&self) -> String {
        let Self {
            farm_id,
            start,
            metrics,
        } = self;
        // Hours and minutes of an RFC 3339 time.
        let minute = start.get(11..16).unwrap_or(start);
        let speed = metrics.wind_speed_mps.as_ref().map_or_else(
            || "no wind speed".to_owned(),
            |Statistics { min, max }| {
                format!(
                    "max {:.1} m/s {}, min {:.1} m/s {}",
                    max.value, max.turbine_id, min.value, min.turbine_id
                )
            },
        );
        format!("{farm_id} {minute} {speed}")
    }
}

/// The newest closed window of any farm.
fn last_window(stack: &Stack, api_key: &str) -> Option<Window> {
    let farms: Page<Farm> = ask(stack, api_key, "/v1/farms")?;
    let newest = |farm: &Farm| {
        let path = format!("/v1/farms/{}/windows?resolution=1m&limit=1", farm.farm_id);
        ask::<Page<Window>>(stack, api_key, &path)?.items.pop()
    };
    // More farms than that are not looked through each second.
    farms
        .items
        .iter()
        .take(5)
        .filter_map(newest)
        .max_by(|one, other| one.start.cmp(&other.start))
}

fn ask<T: for<'de> Deserialize<'de>>(stack: &Stack, api_key: &str, path: &str) -> Option<T> {
    let url = format!("http://127.0.0.1:{}{path}", stack.settings.ports.api);
    let answer = http::get(&url, &[("X-API-Key", api_key)]).ok()?;
    serde_json::from_str(&answer.body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_told_with_its_turbines() {
        let json = r#"{"farm_id":"farm-1","start":"2026-11-23T11:33:00Z","reading_count":600,"metrics":{
            "wind_speed_mps":{"count":600,"mean":8.5,"min":{"value":7.25,"turbine_id":"T02","event_time":"x"},
            "max":{"value":12.44,"turbine_id":"T07","event_time":"x"}}}}"#;
        let window: Window = serde_json::from_str(json).unwrap();
        let expected = "farm-1 11:33 max 12.4 m/s T07, min 7.2 m/s T02";
        assert_eq!(window.describe(), expected);
    }
}
