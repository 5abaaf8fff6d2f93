//! The program itself, on the real broker and registry.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may end by a panic, and says what it skips"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use domain::{Limits, RawReading, TimeDelta, Timestamp, validate};
use testkit::{Program, Record, Stack};

const LIMIT: Duration = Duration::from_secs(60);

fn producer(stack: &Stack, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    command.args(args).envs(stack.environment());
    command
}

/// Runs it to its end, which must be a good one, and returns the summary.
#[track_caller]
fn run(stack: &Stack, args: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = producer(stack, args).output().unwrap();
    assert!(
        status.success(),
        "{args:?}: {status}\n{}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).unwrap().trim_end().to_owned()
}

fn readings(stack: &Stack) -> Vec<Record> {
    testkit::records(&stack.kafka(), &format!("{}readings", stack.topic_prefix))
}

fn decoded(record: &Record) -> Option<RawReading<'_>> {
    let (_, body) = avro::wire::split(&record.payload).ok()?;
    avro::decode_reading(body).ok()
}

#[test]
fn ten_turbines_report_each_second_and_a_run_can_be_repeated() {
    let order = [
        "simulate",
        "--start=2026-01-01T00:00:00Z",
        "--duration=1m",
        "--speedup=max",
        "--seed=7",
    ];
    let run_once = || {
        let stack = Stack::for_test();
        assert_eq!(run(&stack, &order), "read 600, sent 600, refused 0");
        readings(&stack)
    };
    let (first, second) = (run_once(), run_once());
    let essence = |records: &[Record]| -> Vec<_> {
        records
            .iter()
            .map(|record| (record.partition, record.key.clone(), record.payload[5..].to_vec()))
            .collect()
    };
    assert_eq!(essence(&first), essence(&second));
    assert!(
        first
            .iter()
            .all(|record| record.key == b"farm-1" && record.partition == first[0].partition)
    );

    let mut per_turbine: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for record in &first {
        let reading = decoded(record).unwrap();
        let (turbine, at) = (reading.turbine_id.to_string(), reading.event_time);
        validate(reading, at, &Limits::default()).unwrap();
        per_turbine.entry(turbine).or_default().push(at);
    }
    let expected: Vec<Timestamp> = (0..60)
        .map(|s| format!("2026-01-01T00:00:{s:02}Z").parse().unwrap())
        .collect();
    assert_eq!(
        per_turbine.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "T01", "T02", "T03", "T04", "T05", "T06", "T07", "T08", "T09", "T10"
        ]
    );
    assert!(per_turbine.values().all(|times| *times == expected));
}

#[test]
fn faults_are_made_as_often_as_the_summary_says() {
    let stack = Stack::for_test();
    let summary = run(
        &stack,
        &[
            "simulate",
            "--start=2026-01-01T00:00:00Z",
            "--duration=5m",
            "--speedup=max",
            "--farms=3",
            "--turbines=4",
            "--error-probability=0.2",
            "--faults=undecodable=0.05,duplicate=0.05,clock-ahead=0.02,late=0.1",
        ],
    );
    let counts: BTreeMap<&str, u64> = summary
        .split(", ")
        .map(|part| part.rsplit_once(' ').unwrap())
        .map(|(name, count)| (name, count.parse().unwrap()))
        .collect();
    let records = readings(&stack);
    assert_eq!(records.len() as u64, counts["sent"]);
    assert_eq!(counts["sent"], 3_600 + counts["duplicate"]);

    let good: Vec<_> = records
        .iter()
        .filter_map(|record| Some((record, decoded(record)?)))
        .collect();
    let cut = (records.len() - good.len()) as u64;
    assert!(
        (counts["undecodable"]..=2 * counts["undecodable"]).contains(&cut),
        "{cut} undecodable, {summary}"
    );
    let now = "2026-01-01T00:06:00Z".parse().unwrap();
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    for (record, reading) in good {
        assert_eq!(record.key, reading.farm_id.as_bytes());
        if let Err(refusal) = validate(reading, now, &Limits::default()) {
            *rules.entry(refusal.rule.id()).or_default() += 1;
        }
    }
    assert!(rules["event_time_ahead"] > 40, "{rules:?}");
    assert!(
        rules["wind_speed_mps"] > 500 && rules["ambient_temperature_celsius"] > 50,
        "{rules:?}"
    );
}

#[test]
fn a_process_can_be_one_turbine_named_by_its_host() {
    let stack = Stack::for_test();
    let order = [
        "simulate",
        "--turbine-id-from=hostname",
        "--farm-id=north",
        "--duration=10s",
        "--speedup=max",
    ];
    assert_eq!(run(&stack, &order), "read 10, sent 10, refused 0");
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    for record in readings(&stack) {
        let reading = decoded(&record).unwrap();
        assert_eq!(
            (&*reading.farm_id, &*reading.turbine_id),
            ("north", host.as_str())
        );
        let age = record.timestamp.since(reading.event_time).as_millis();
        assert!(
            (0..60_000).contains(&age),
            "a run that is faster than the clock ends now: {age} ms"
        );
    }
}

/// A file beside the project that it may not contain.
fn test_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("VELETA_TEST_DATA")
        .map_or_else(beside, PathBuf::from)
        .join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn t1_is_replayed_whole() {
    let Some(path) = test_data("T1.csv") else { return };
    let stack = Stack::for_test();
    let order = ["replay", path.to_str().unwrap(), "--format=t1", "--speedup=max"];
    assert_eq!(run(&stack, &order), "read 50530, sent 50530, refused 0");
    let records = readings(&stack);
    let distinct: BTreeSet<_> = records
        .iter()
        .map(|record| decoded(record).unwrap().event_time)
        .collect();
    assert_eq!((records.len(), distinct.len()), (50_530, 50_530));
    assert!(records.iter().all(|record| record.key == b"t1"));
}

#[test]
fn la_haute_borne_is_replayed_with_its_doubled_slots() {
    let stack = Stack::for_test();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/la_haute_borne_sample.csv");
    let order = ["replay", path.to_str().unwrap(), "--format=la-haute-borne"];
    assert_eq!(run(&stack, &order), "read 3456, sent 3456, refused 0");
    assert_eq!(readings(&stack).len(), 3_456);
}

#[test]
fn a_recording_is_moved_as_one_and_bad_lines_are_named() {
    let stack = Stack::for_test();
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines = "event_time,turbine_id,wind_speed_mps\n2014-03-30T00:00:00Z,a,1\nyesterday,a,1\n\
                 2014-03-30T00:20:00Z,a,\n2014-03-30T00:30:00Z,a,3\n2014-03-30T00:10:00Z,b,4\n";
    std::fs::write(&file, lines).unwrap();
    let path = file.path().to_str().unwrap();
    let order = [
        "replay",
        path,
        "--format=csv",
        "--farm-id=f",
        "--shift-to=2026-01-01T12:00:00Z",
    ];
    let output = producer(&stack, &order).output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "read 5, sent 3, refused 2\n"
    );
    let log = String::from_utf8(output.stderr).unwrap();
    let refused: Vec<_> = log.lines().filter(|line| line.contains("line refused")).collect();
    assert_eq!(refused.len(), 2, "{log}");
    assert!(
        refused[0].contains("'yesterday' is no time") && refused[1].contains("no_metric"),
        "{log}"
    );

    let times: Vec<_> = readings(&stack)
        .iter()
        .map(|record| decoded(record).unwrap().event_time.to_string())
        .collect();
    assert_eq!(
        times,
        [
            "2026-01-01T11:30:00Z",
            "2026-01-01T12:00:00Z",
            "2026-01-01T11:40:00Z"
        ]
    );
}

#[test]
fn a_recording_in_a_loop_goes_on_where_it_ended_and_waits_for_what_has_not_happened() {
    let stack = Stack::for_test();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &file,
        "event_time,wind_speed_mps\n2010-01-01T00:00:00Z,1\n2014-01-01T00:00:00Z,2\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let mut program = Program::start(
        producer(
            &stack,
            &[
                "replay",
                path,
                "--format=csv",
                "--farm-id=f",
                "--turbine-id=t",
                "--loop",
            ],
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null()),
    );
    let four_years = TimeDelta::from_secs(1_461 * 86_400);
    let first: Timestamp = "2010-01-01T00:00:00Z".parse().unwrap();
    let now = producer::pace::now();
    let expected: Vec<_> = std::iter::successors(Some(first), |time| Some(*time + four_years))
        .take_while(|time| *time <= now)
        .collect();
    wait_for_readings(&stack, expected.len());
    assert!(program.terminate(LIMIT).success());
    let times: Vec<_> = readings(&stack)
        .iter()
        .map(|record| decoded(record).unwrap().event_time)
        .collect();
    assert_eq!(times, expected);
}

#[test]
fn a_live_run_is_healthy_and_stops_cleanly_with_everything_delivered() {
    let stack = Stack::for_test();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut child = producer(&stack, &["simulate", "--interval=10ms", "--turbines=5"])
        .env("MANAGEMENT_ADDRESS", &address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_readings(&stack, 100);
    let healthy = producer(&stack, &["healthcheck"])
        .env("MANAGEMENT_ADDRESS", &address)
        .status();
    let terminated = Command::new("kill")
        .arg("-TERM")
        .arg(child.id().to_string())
        .status();
    let status = child.wait();
    assert!(healthy.unwrap().success() && terminated.unwrap().success() && status.unwrap().success());

    let mut summary = String::new();
    child.stdout.take().unwrap().read_to_string(&mut summary).unwrap();
    let sent = readings(&stack).len();
    assert_eq!(summary, format!("read {sent}, sent {sent}, refused 0\n"));
    let after = producer(&stack, &["healthcheck"])
        .env("MANAGEMENT_ADDRESS", &address)
        .stderr(Stdio::null())
        .status();
    assert_eq!(after.unwrap().code(), Some(1));
}

#[test]
fn what_makes_no_sense_is_told_before_any_server_is_asked() {
    let stack = Stack {
        bootstrap_servers: "127.0.0.1:1".into(),
        registry_url: "http://127.0.0.1:1".into(),
        ..Stack::for_test()
    };
    for (order, reason) in [
        (&["simulate", "--speedup=60"][..], "--start or --duration"),
        (&["simulate", "--interval=0s"], "less than 1ms"),
        (&["simulate", "--error-probability=2"], "from 0 to 1"),
        (&["simulate", "--faults=sleepy=0.1"], "clock-ahead"),
        (
            &["simulate", "--farms=2", "--turbine-id-from=hostname"],
            "cannot be used with",
        ),
        (&["replay", "/nowhere.csv", "--format=csv"], "/nowhere.csv"),
        (
            &["replay", env!("CARGO_MANIFEST_PATH"), "--format=csv"],
            "there is no column '[package]'",
        ),
        (
            &["replay", "x", "--format=csv", "--time-zone=Europe/Atlantis"],
            "Europe/Atlantis",
        ),
    ] {
        let output = producer(&stack, order).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{order:?}: {log}");
        assert!(log.contains(reason), "{order:?}: {log}");
    }
}

/// Waits until the topic has at least so many readings.
fn wait_for_readings(stack: &Stack, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let arrived = async || (readings(stack).len() >= count).then_some(());
    runtime.block_on(testkit::eventually("readings arrive", LIMIT, arrived));
}
