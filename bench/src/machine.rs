//! What is measured on.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

use crate::processes::TICK;

/// Processors, memory, kernel and date, in one line.
pub fn describe() -> String {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<_> = cpu_info
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model)
        .collect();
    let memory_gib = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| {
                let kib: f64 = line
                    .strip_prefix("MemTotal:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()?;
                Some(kib / 1_048_576.0)
            })
        })
        .unwrap_or(f64::NAN);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} x {}, {memory_gib:.0} GiB, Linux {}, {}",
        models.len(),
        models.first().unwrap_or(&"unknown processor"),
        kernel.trim(),
        today()
    )
}

/// Time that all processors together have worked since the machine started.
pub fn busy_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().next().and_then(busy_of).unwrap_or_default()
}

/// Out of the first line of `/proc/stat`: all but idle (the 4th) and waiting for disks (the 5th); the guests' time (9th
/// and 10th) is in the user's already.
fn busy_of(line: &str) -> Option<Duration> {
    let fields: Vec<u32> = line
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let busy: u32 = fields
        .iter()
        .take(8)
        .enumerate()
        .filter(|(index, _)| ![3, 4].contains(index))
        .map(|(_, &ticks)| ticks)
        .sum();
    Some(TICK * busy)
}

fn today() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or_default());
    let text = now.to_string();
    text.split_once('T')
        .map_or_else(|| text.clone(), |(day, _)| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idleness_and_guests_are_not_work() {
        let line = "cpu  100 10 50 9000 800 1 2 3 40 50";
        assert_eq!(busy_of(line), Some(TICK * 166));
        assert_eq!(busy_of("cpu0 1 2 3"), None);
    }

    #[test]
    fn this_machine_is_described() {
        let text = describe();
        assert!(text.contains(" GiB, Linux "), "{text}");
    }
}
