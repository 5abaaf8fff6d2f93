//! What the sink tells about itself.

use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::make::nth;
use crate::rig::{LIMIT, Rig};

async fn page(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await.ok()?;
    Some(page)
}

/// The sum of what all series of that name say whose labels contain `label`.
fn value(page: &str, name: &str, label: &str) -> Option<f64> {
    let values: Vec<f64> = page
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label))
        .filter(|line| matches!(line.as_bytes().get(name.len()), Some(b'{' | b' ')))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_batches_phases_lag_and_mishaps_are_measured() {
    let rig = Rig::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut readings: Vec<_> = (0..300).map(nth).collect();
    readings.extend((0..30).map(nth));
    readings.push(crate::make::raw("north", "T1", crate::make::noon(0), 99.0));
    rig.send_readings(&readings).await;
    // it knows no schema yet, and what waits for one does not make a batch larger
    let mut sink = rig.spawn_with(&[("MANAGEMENT_ADDRESS", &address), ("BATCH_ROWS", "20")]);
    rig.until(
        "SELECT sum(stored + duplicates + refused)::bigint FROM kafka_offsets",
        331,
    )
    .await;
    crate::members::settled(&rig, 1, 1).await; // so both are connected
    rig.number(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    rig.send_readings(&[nth(300)]).await;
    rig.until("SELECT count(*) FROM readings", 301).await;

    let expected = [
        ("windfarm_sink_rows_total", "table=\"readings\"", 301.0),
        ("windfarm_sink_duplicates_total", "", 30.0),
        ("windfarm_sink_refused_total", "by=\"rule\"", 1.0),
        ("windfarm_sink_refused_total", "by=\"database\"", 0.0),
        ("windfarm_sink_reconnects_total", "", 2.0),
        ("windfarm_sink_partitions_taken_over_total", "", 30.0),
        ("windfarm_sink_lag_records", "", 0.0),
        ("windfarm_sink_lag_seconds", "", 0.0),
    ];
    let present = [
        ("windfarm_sink_batches_total", ""),
        ("windfarm_sink_batch_seconds_sum", ""),
        ("windfarm_sink_phase_seconds_sum", "phase=\"decode\""),
        ("windfarm_sink_phase_seconds_sum", "phase=\"encode\""),
        ("windfarm_sink_phase_seconds_sum", "phase=\"copy\""),
        ("windfarm_sink_phase_seconds_sum", "phase=\"commit\""),
    ];
    eventually("the metrics say so", LIMIT, async || {
        let page = page(&address).await?;
        for (name, label, wanted) in expected {
            let found = value(&page, name, label);
            if found != Some(wanted) {
                eprintln!("{name}{{{label}}} is {found:?}, {wanted} is wanted");
                return None;
            }
        }
        let batches = value(&page, "windfarm_sink_batches_total", "");
        assert!(batches >= Some(17.0), "{batches:?} batches of 20 rows at most");
        present
            .iter()
            .all(|(name, label)| value(&page, name, label).is_some_and(|value| value > 0.0))
            .then_some(())
    })
    .await;
    assert!(sink.terminate(LIMIT).success());
}
