//! What a reading costs besides its own work: no allocation. (It cannot look at the clock either: the machine knows none,
//! and what tells it the time does so once for a batch.) And what memory there is in the end: that of the open windows.

#![expect(unsafe_code, reason = "an allocator that counts is one")]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(clippy::print_stdout, reason = "the figure is worth seeing with --nocapture")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use avro::{Decoder, RecordType, Registry, RegistryConfig, WriterSchema};
use domain::{Limits, Metric, RawReading, Reading, TimeDelta, Timestamp};
use platform::intake::{NotAdmitted, admit};
use stream_aggregator::machine::{
    Answer, Committed, Effect, Handled, Intake, Machine, Output, Question, Record, Settings,
};
use windowing::WindowConfig;

/// Of the farm, where a test does not say otherwise.
const TURBINES: i64 = 20;
const START: Timestamp = Timestamp::from_millis(1_764_000_000_000);

/// The system's allocator, which counts for each thread how often it is asked, and how many bytes are in use.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get().wrapping_add(layout.size())));
        // SAFETY: as this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get().wrapping_sub(layout.size())));
        // SAFETY: as this function's own.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Readings {
    decoder: Decoder,
    limits: Limits,
}

impl Intake for Readings {
    fn admit<'a>(&mut self, record: &Record<'a>) -> Result<Reading<'a>, NotAdmitted<'a>> {
        admit(
            record.key,
            record.payload,
            record.appended_at,
            &mut self.decoder,
            &self.limits,
        )
    }
}

#[test]
fn a_reading_in_an_open_window_costs_no_allocation() {
    let mut log = Log::new(TURBINES, 1);
    let before = ALLOCATIONS.get();
    log.offer(33 * TURBINES);
    let first = ALLOCATIONS.get() - before;
    assert!(first > 0, "nothing is counted");
    // by now each turbine has room for the event times of 64 readings
    let payloads: Vec<_> = (0..17 * TURBINES).map(|_| log.next_payload()).collect();
    let before = ALLOCATIONS.get();
    for payload in &payloads {
        log.offer_payload(payload);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn an_open_window_takes_so_much_memory_for_each_turbine() {
    let turbines = 1_000;
    let before = BYTES.get();
    let mut log = Log::new(turbines, 1);
    log.offer(60 * turbines);
    let bytes = BYTES.get().wrapping_sub(before) / usize::try_from(turbines).unwrap();
    println!("{bytes} bytes for each turbine of an open window with 60 readings");
    assert!((1_000..=2_048).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_day_leaves_no_more_memory_behind_than_an_hour() {
    let mut log = Log::new(TURBINES, 10);
    let mut bytes_by_hour = Vec::new();
    for _ in 0..24 {
        log.offer(360 * TURBINES);
        bytes_by_hour.push(BYTES.get());
    }
    let (second, last) = (bytes_by_hour[1], bytes_by_hour[23]);
    assert!(
        last <= second + 4_096,
        "{last} bytes after a day, {second} after two hours: {bytes_by_hour:?}"
    );
}

/// A partition with one farm, whose turbines take turns.
struct Log {
    machine: Machine,
    intake: Readings,
    turbines: i64,
    /// Between two readings of a turbine.
    interval_s: i64,
    /// The next one to be encoded, and the next one to be offered.
    encoded: i64,
    offered: i64,
    /// Commits follow the readings' time.
    begun: Instant,
}

impl Log {
    fn new(turbines: i64, interval_s: i64) -> Self {
        let mut machine = Machine::new(Settings {
            topic: "windfarm.readings".to_owned(),
            windows: WindowConfig::default(),
            commit_interval: Duration::from_secs(1),
        });
        machine.assigned(vec![0]);
        carry_out(&mut machine);
        Self {
            machine,
            intake: readings(),
            turbines,
            interval_s,
            encoded: 0,
            offered: 0,
            begun: Instant::now(),
        }
    }

    /// So many readings more, with a commit each minute.
    fn offer(&mut self, count: i64) {
        for _ in 0..count {
            let payload = self.next_payload();
            self.offer_payload(&payload);
            carry_out(&mut self.machine);
            let elapsed_s = u64::try_from(self.offered / self.turbines * self.interval_s).unwrap();
            if self.offered % self.turbines == 0 && elapsed_s.is_multiple_of(60) {
                self.machine.tick(self.begun + Duration::from_secs(elapsed_s));
                carry_out(&mut self.machine);
            }
        }
    }

    fn offer_payload(&mut self, payload: &[u8]) {
        let record = Record {
            partition: 0,
            offset: self.offered,
            appended_at: self.event_time(self.offered),
            key: Some(b"north"),
            payload: Some(payload),
        };
        assert_eq!(self.machine.record(&record, &mut self.intake), Handled::Done);
        self.offered += 1;
    }

    fn next_payload(&mut self) -> Vec<u8> {
        let number = self.encoded;
        self.encoded += 1;
        let mut payload = Vec::new();
        avro::wire::frame(7, &mut payload);
        let reading = RawReading {
            farm_id: "north".into(),
            turbine_id: format!("T{:03}", number % self.turbines).into(),
            event_time: self.event_time(number),
            sequence: Some(number / self.turbines),
            metrics: Metric::ALL
                .into_iter()
                .map(|metric| (metric, (number % 50) as f64))
                .collect(),
            operating_status: None,
        };
        avro::encode_reading(&reading, &mut payload);
        payload
    }

    fn event_time(&self, number: i64) -> Timestamp {
        START + TimeDelta::from_secs(number / self.turbines * self.interval_s)
    }
}

fn readings() -> Readings {
    let registry = Registry::new(RegistryConfig {
        url: "http://127.0.0.1:1".into(),
        cache_file: None,
    })
    .unwrap();
    registry.assume(WriterSchema::parse(7, RecordType::Reading.schema_json()).unwrap());
    Readings {
        decoder: Decoder::new(registry),
        limits: Limits::default(),
    }
}

/// As a broker without faults would.
fn carry_out(machine: &mut Machine) {
    let mut checkpoints = Vec::new();
    while let Some(effect) = machine.next_effect() {
        let answer = match effect {
            Effect::Ask(Question::ReadCommitted { .. }) => Answer::Committed(Committed {
                offset: None,
                log_start: 0,
                log_end: 0,
                has_checkpoint: Ok(false),
            }),
            Effect::Ask(Question::Drain) => Answer::Drained {
                checkpoints: std::mem::take(&mut checkpoints),
            },
            Effect::Ask(Question::SendOffsets(_) | Question::Commit) => Answer::Done,
            Effect::Send {
                partition,
                output: Output::Checkpoint(_),
            } => {
                checkpoints.push((partition, 0));
                continue;
            }
            Effect::Begin | Effect::Send { .. } | Effect::Assign(_) => continue,
            Effect::Unassign(_) | Effect::Ask(_) | Effect::Fail(_) => panic!("{effect:?}"),
        };
        machine.answer(answer, Instant::now());
    }
}
