//! Lists as files: the same rows as in JSON, all of them, without the memory for all of them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use reqwest::Method;
use serde_json::Value;
use testkit::{Program, eventually};

use crate::app::{PATIENCE, TestApi, problem};
use crate::fixtures::{self, run};

const LISTS: [&str; 9] = [
    "/v1/farms",
    "/v1/farms/north/turbines",
    "/v1/farms/north/turbines/T1/readings",
    "/v1/farms/north/turbines/T1/readings?from=2026-11-22T23:58:00Z&order=asc",
    "/v1/farms/north/windows",
    "/v1/farms/north/windows?resolution=10m&order=asc",
    "/v1/farms/north/turbines/T1/windows?resolution=1h",
    "/v1/dead-letters",
    "/v1/dead-letters?farm=north&order=asc",
];

/// A row of a file: what is null is left out.
type Row = BTreeMap<String, Value>;

async fn filled() -> TestApi {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    run(
        &api.database,
        "UPDATE farm_windows SET gap_count = 4, suspicious_clocks = '{T1,T2}' WHERE window_start >= '2026-11-23 00:00Z'",
    )
    .await;
    fixtures::dead_letters(&api.database).await;
    api
}

fn with(path: &str, parameter: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{parameter}")
}

/// The row that an item of a list in JSON must be.
fn row_of(item: &Value) -> Row {
    let mut row = Row::new();
    put(&mut row, "", item);
    row
}

fn put(row: &mut Row, name: &str, value: &Value) {
    let under = |prefix: &str, field: &str| match (prefix, field) {
        ("", "metrics") => String::new(),
        ("", field) => field.to_owned(),
        // the value of an extreme has the extreme's name
        (prefix, "value") if prefix.ends_with("min") || prefix.ends_with("max") => prefix.to_owned(),
        (prefix, "event_time") if prefix.ends_with("min") || prefix.ends_with("max") => {
            format!("{prefix}_time")
        }
        (prefix, field) => format!("{prefix}_{field}"),
    };
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if name != "latest" || !["farm_id", "turbine_id"].contains(&field.as_str()) {
                    put(row, &under(name, field), value);
                }
            }
        }
        Value::Array(ids) if ids.is_empty() => {}
        Value::Array(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
            row.insert(name.to_owned(), ids.join(" ").into());
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            row.insert(name.to_owned(), value.clone());
        }
    }
}

/// Of metrics that nobody sent, files tell that there are none.
fn without_zero_counts(mut row: Row) -> Row {
    row.retain(|name, value| !(name.ends_with("_count") && value.as_i64() == Some(0) && is_of_metric(name)));
    row
}

fn is_of_metric(name: &str) -> bool {
    ["_mps_", "_deg_", "_kw_", "_rpm_", "_celsius_"]
        .iter()
        .any(|unit| name.contains(unit))
}

/// Cells are texts; what JSON has as a number is read as one.
fn csv_rows(text: &str, like: &[Row]) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let is_number = |name: &str| {
        is_of_metric(name) && name.ends_with("_count")
            || like.iter().any(|row| row.get(name).is_some_and(Value::is_number))
    };
    let row = |record: csv::StringRecord| -> Row {
        let cells = names
            .iter()
            .zip(record.iter())
            .filter(|(_, cell)| !cell.is_empty());
        let value = |name: &str, cell: &str| {
            if is_number(name) {
                cell.parse().unwrap()
            } else {
                Value::from(cell)
            }
        };
        cells
            .map(|(name, cell)| (name.to_owned(), value(name, cell)))
            .collect()
    };
    reader
        .records()
        .map(|record| without_zero_counts(row(record.unwrap())))
        .collect()
}

fn parquet_rows(file: Bytes) -> Vec<Row> {
    let reader = SerializedFileReader::new(file).unwrap();
    let row = |record: parquet::record::Row| -> Row {
        let cells = record.get_column_iter().filter_map(|(name, field)| {
            #[expect(clippy::wildcard_enum_match_arm, reason = "we write no other types")]
            let value = match field {
                Field::Null => return None,
                Field::Str(text) => Value::from(text.as_str()),
                Field::Long(number) => Value::from(*number),
                Field::Double(number) => Value::from(*number),
                Field::TimestampMicros(micros) => {
                    Value::from(domain::Timestamp::from_micros(*micros).to_string())
                }
                other => panic!("{other}"),
            };
            Some((name.clone(), value))
        });
        cells.collect()
    };
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|record| without_zero_counts(row(record.unwrap())))
        .collect()
}

/// Whole numbers and others are the same in JSON.
fn same(a: &[Row], b: &[Row], what: &str) {
    let plain = |rows: &[Row]| -> Vec<Row> {
        let number = |value: &Value| value.as_f64().map_or_else(|| value.clone(), Value::from);
        let row = |row: &Row| {
            row.iter()
                .map(|(name, value)| (name.clone(), number(value)))
                .collect()
        };
        rows.iter().map(row).collect()
    };
    assert_eq!(plain(a), plain(b), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_have_the_rows_of_the_list() {
    let api = filled().await;
    for path in LISTS {
        let list = api.json(&with(path, "limit=10000")).await;
        let expected: Vec<_> = list["items"].as_array().unwrap().iter().map(row_of).collect();
        assert!(expected.len() > 1, "{path}");

        let response = api.get(&with(path, "format=csv")).await;
        let content_type = response.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/csv"), "{content_type}");
        let text = response.text().await.unwrap();
        same(&csv_rows(&text, &expected), &expected, path);

        let response = api.get(&with(path, "format=parquet")).await;
        assert_eq!(
            response.headers()["content-type"],
            "application/vnd.apache.parquet"
        );
        same(&parquet_rows(response.bytes().await.unwrap()), &expected, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_accepts_is_what_it_gets() {
    let api = filled().await;
    let path = "/v1/farms/north/turbines/T1/readings?limit=3";
    for (accept, format) in [
        ("text/csv", "csv"),
        ("application/vnd.apache.parquet", "parquet"),
        ("*/*", "json"),
    ] {
        let request = api.request(Method::GET, path).header("x-api-key", &api.key);
        let accepted = request.header("accept", accept).send().await.unwrap();
        let asked_for = api.get(&with(path, &format!("format={format}"))).await;
        assert_eq!(
            accepted.bytes().await.unwrap(),
            asked_for.bytes().await.unwrap(),
            "{accept}"
        );
    }
    let lines = api.get(&with(path, "format=csv")).await.text().await.unwrap();
    assert_eq!(lines.lines().count(), 1 + 3, "a limit counts rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_before_a_file_begins() {
    let api = filled().await;
    for (path, status) in [
        ("/v1/farms/west/windows?format=csv", 404),
        ("/v1/farms/north/windows?format=csv&limit=0", 400),
        ("/v1/farms/north/windows?format=xml", 400),
        ("/v1/audit?format=csv", 400),
    ] {
        assert_eq!(problem(api.get(path).await).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_takes_no_memory() {
    const ROWS: i64 = 250_000;
    const GROWTH_KIB: u64 = 50 * 1024;
    let api = TestApi::start().await;
    run(
        &api.database,
        &format!(
            "SELECT ensure_days('readings', ARRAY['2026-11-21', '2026-11-22', '2026-11-23']::date[]);
             INSERT INTO readings (farm_id, turbine_id, event_time, wind_speed_mps, active_power_kw, operating_status,
                    kafka_partition, kafka_offset, appended_at)
                SELECT 'north', 'T1', timestamptz '2026-11-21 00:00Z' + n * interval '1 s', n / 1e6, n, 'GENERATING',
                    0, n, now() FROM generate_series(1, {ROWS}) AS n;
             INSERT INTO turbines SELECT farm_id, turbine_id, min(event_time), max(event_time) FROM readings GROUP BY 1, 2;
             INSERT INTO farms SELECT farm_id, min(event_time), max(event_time) FROM readings GROUP BY 1;"
        ),
    )
    .await;
    // a process of its own: nobody else's memory is counted
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command
        .envs(api.stack.environment())
        .env("DATABASE_URL", &api.database_url)
        .env("API_ADDRESS", format!("127.0.0.1:{port}"));
    let program = Program::start(&mut command);
    let client = reqwest::Client::new();
    let url = |rest: &str| format!("http://127.0.0.1:{port}{rest}");
    let get = |path: &str| client.get(url(path)).header("x-api-key", &api.key).send();
    eventually("the program answers", PATIENCE, || async {
        let answer = get("/v1/farms").await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    for format in ["csv", "parquet"] {
        let path = format!("/v1/farms/north/turbines/T1/readings?order=asc&format={format}");
        let before = get(&format!("{path}&limit=5000"))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let resident_kib = memory_kib(program.pid(), "VmRSS");
        let mut response = get(&path).await.unwrap();
        let mut length = 0;
        while let Some(chunk) = response.chunk().await.unwrap() {
            length += chunk.len();
        }
        assert!(length > 20 * before.len(), "{format}: {length}");
        let grown_kib = memory_kib(program.pid(), "VmHWM").saturating_sub(resident_kib);
        assert!(grown_kib < GROWTH_KIB, "{format}: grown by {grown_kib} KiB");
    }
}

/// A line of the kernel's account of a process.
fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_without_metrics_is_a_row_all_the_same() {
    let api = filled().await;
    run(
        &api.database,
        "INSERT INTO farm_windows (farm_id, window_start, window_end, revision, reading_count, duplicate_count,
            rejected_count, turbine_count) VALUES ('north', '2026-11-23 00:01:30Z', '2026-11-23 00:02Z', 0, 1, 0, 0, 1)",
    )
    .await;
    let text = api
        .get("/v1/farms/north/windows?format=csv")
        .await
        .text()
        .await
        .unwrap();
    let row = text.lines().find(|line| line.contains("00:01:30Z")).unwrap();
    assert_eq!(
        row.split(',').count(),
        text.lines().next().unwrap().split(',').count()
    );
    assert!(row.contains(",0,,"), "{row}");
}
