//! From Kafka to rows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::RawReading;
use platform::{DeadLetter, LateReading, Rejection, Source};
use rdkafka::message::OwnedHeaders;
use sink::lane::Topic;
use testkit::committed_records;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::make::{full, noon, nth, raw, windows};
use crate::rig::{Rig, RunningSink};

/// A late reading's record, whose original lies in `readings` where the farm's only record with this event time is.
fn late_record(rig: &Rig, reading: &RawReading<'_>) -> OwnedHeaders {
    let records = committed_records(&rig.stack.kafka(), &rig.topics.readings);
    let last = records
        .iter()
        .rfind(|record| record.key == reading.farm_id.as_bytes())
        .unwrap();
    let source = Source {
        topic: rig.topics.readings.clone(),
        partition: last.partition,
        offset: last.offset,
        timestamp: last.timestamp,
    };
    let window_start = reading.event_time.floor_to(crate::make::MINUTE);
    LateReading {
        by_ms: 10,
        window_start,
        source,
    }
    .to_headers()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_finds_its_table() {
    let rig = Rig::new().await;
    let readings = [full("north", "T1", noon(1)), full("north", "T2", noon(2))];
    let mut refused = full("north", "T3", noon(3));
    refused.metrics.set(domain::Metric::WindSpeed, Some(99.0));
    rig.send_readings(&[&readings[..], &[refused]].concat()).await;
    let (farm, turbines) = windows(&readings);
    rig.send_windows(&farm, &turbines).await;
    rig.send(
        Topic::FarmWindows,
        [(&b"north"[..], b"no window".to_vec(), OwnedHeaders::new())],
    );
    let letter = DeadLetter {
        rejection: Rejection::undecodable("not at all"),
        source: None,
        component: "test".into(),
    };
    rig.send(
        Topic::DeadLetters,
        [(&b"north"[..], b"bytes".to_vec(), letter.to_headers())],
    );

    let sink = rig.start(&[]);
    rig.until("SELECT count(*) FROM readings", 2).await;
    rig.until("SELECT count(*) FROM turbine_windows", 2).await;
    rig.until(
        "SELECT count(*) FROM dead_letters WHERE rule = 'undecodable' AND farm_id = 'north'",
        1,
    )
    .await;
    rig.until("SELECT count(*) FROM farm_windows", 1).await;
    let refused = "SELECT sum(refused)::bigint FROM kafka_offsets WHERE topic LIKE '%.";
    rig.until(&format!("{refused}readings'"), 1).await;
    rig.until(&format!("{refused}farm-windows'"), 1).await;

    // a late one: stored as any other, and its minute is made anew
    let late = raw("north", "T9", noon(4), 74.0);
    rig.send_readings(std::slice::from_ref(&late)).await;
    let headers = late_record(&rig, &late);
    rig.send(
        Topic::LateReadings,
        [(&b"north"[..], b"as it came".to_vec(), headers)],
    );
    let revised = "SELECT revision::bigint FROM farm_windows WHERE reading_count = 3 AND turbine_count = 3 \
                   AND wind_speed_mps_max_turbine_id = 'T9'";
    rig.until(&format!("SELECT ({revised})"), 1).await;
    sink.stop().await;
    assert_eq!(rig.number("SELECT count(*) FROM kafka_offsets").await, 5 * 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reading_is_stored_once_while_sinks_come_and_go() {
    let rig = Rig::new().await;
    let total = "SELECT count(*) FROM readings";
    let send =
        async |range: std::ops::Range<i64>| rig.send_readings(&range.map(nth).collect::<Vec<_>>()).await;

    send(0..500).await;
    let first = rig.start(&["--threads", "2"]);
    rig.until(total, 500).await;
    let second = rig.start(&["--batch-rows", "7"]);
    send(500..1_500).await;
    rig.until(total, 1_500).await;
    first.stop().await;
    send(1_500..2_000).await;
    rig.until(total, 2_000).await;
    let third = rig.start(&[]);
    second.stop().await;
    send(2_000..2_500).await;
    rig.until(total, 2_500).await;
    third.stop().await;

    let sums = "SELECT sum(stored)::bigint FROM kafka_offsets WHERE duplicates = 0 AND refused = 0";
    assert_eq!(rig.number(sums).await, 2_500, "no record was tried twice");
    let extent = "SELECT count(*) FROM farms f WHERE last_event_time = \
                  (SELECT max(event_time) FROM readings r WHERE r.farm_id = f.farm_id)";
    assert_eq!(rig.number(extent).await, 30);
}

/// Between a sink and its database; can be cut.
struct Cable {
    address: SocketAddr,
    whole: Arc<AtomicBool>,
    cut: watch::Sender<u32>,
}

impl Cable {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let whole = Arc::new(AtomicBool::new(true));
        let cut = watch::Sender::new(0);
        let (is_whole, cuts) = (Arc::clone(&whole), cut.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if !is_whole.load(Ordering::SeqCst) {
                    continue;
                }
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, whole, cut }
    }

    fn cut(&self) {
        self.whole.store(false, Ordering::SeqCst);
        self.cut.send_modify(|times| *times += 1);
    }

    fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_waited_for_and_nothing_is_lost() {
    let rig = Rig::new().await;
    let options = rig.options();
    let cable = Cable::to(options.get_port()).await;
    let mut args = rig.args(&["--batch-rows", "100"]);
    let direct = format!(":{}/", options.get_port());
    args.database.database_url = rig
        .database
        .sink_url
        .replace(&direct, &format!(":{}/", cable.address.port()));
    assert_ne!(args.database.database_url, rig.database.sink_url);

    // it starts while the database is away, too
    cable.cut();
    let sink = RunningSink::start(args);
    rig.send_readings(&(0..300).map(nth).collect::<Vec<_>>()).await;
    cable.mend();
    rig.until("SELECT count(*) FROM readings", 300).await;
    sink.until_not_ready(&[]).await;
    for round in 1..4 {
        cable.cut();
        rig.send_readings(&(round * 300..(round + 1) * 300).map(nth).collect::<Vec<_>>())
            .await;
        sink.until_not_ready(&["database[0]", "database[results]"]).await;
        assert_eq!(rig.number("SELECT count(*) FROM readings").await, round * 300);
        cable.mend();
        rig.until("SELECT count(*) FROM readings", (round + 1) * 300)
            .await;
    }
    sink.stop().await;
    let sums = "SELECT sum(stored)::bigint FROM kafka_offsets WHERE duplicates = 0 AND refused = 0";
    assert_eq!(rig.number(sums).await, 1_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waiting_cannot_mend_ends_the_sink_with_the_reason() {
    let rig = Rig::new().await;
    rig.execute("DROP TABLE late_marks").await;
    let error = rig.start(&[]).ended().await.unwrap_err();
    assert!(format!("{error:#}").contains("late_marks"), "{error:#}");

    let rig = Rig::new().await;
    rig.send_readings(&[nth(0)]).await;
    let everywhere = "INSERT INTO kafka_offsets (topic, partition, next_offset) \
                      SELECT '{}', n, 1000 FROM generate_series(0, 5) n";
    rig.execute(&everywhere.replace("{}", &rig.topics.readings)).await;
    let error = rig.start(&[]).ended().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("does not have the next offset") && text.contains("wants 1000, has 0 to"),
        "{text}"
    );
}
