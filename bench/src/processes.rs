//! What the kernel says of processes: proc(5).

use std::fs;
use std::time::Duration;

/// The unit of times in `/proc`: user space is told a hundredth of a second on every Linux that this runs on.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that have ended and were waited for.
    ended_children: Duration,
}

/// Processor time of one process, of all its threads; none if it is gone.
pub fn cpu_of(pid: u32) -> Duration {
    stat(pid).map(|stat| stat.own).unwrap_or_default()
}

/// Processor time of a process and of its children, those that have ended included.
pub fn cpu_with_children(pid: u32) -> Duration {
    let Some(own) = stat(pid) else {
        return Duration::ZERO;
    };
    let pids = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let children: Duration = pids
        .filter_map(stat)
        .filter(|child| child.parent == pid)
        .map(|child| child.own + child.ended_children)
        .sum();
    own.own + own.ended_children + children
}

/// The most memory that a process has had at once, bytes; none if it is gone.
pub fn peak_memory_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name, the second field, may itself hold blanks and brackets; the parent is the 4th field, the times are the 14th
/// to the 17th.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u32>().ok();
    Some(Stat {
        parent: field(4)?,
        own: TICK * (field(14)? + field(15)?),
        ended_children: TICK * (field(16)? + field(17)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_an_odd_name() {
        let text = "2503 (a) b (c) S 7 2503 2503 0 -1 4194560 1 0 0 0 10 20 3 4 20 0 1 0 152304 4096 9";
        let expected = Stat {
            parent: 7,
            own: TICK * 30,
            ended_children: TICK * 7,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("2503 (sh"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(peak_memory_bytes(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(cpu_of(0), Duration::ZERO);
    }
}
