//! Dead letters are found, shown, and sent back to their topics, each once.

use std::process::{Command, Output};

use avro::{RecordType, encode_reading, wire};
use clap::Parser;
use domain::RawReading;
use sink::dead_letters::DeadLettersCommand;
use sink::lane::Topic;
use sink::store::Quarantine;
use sqlx::Connection;
use testkit::{Record, committed_records};

use crate::make::{noon, raw};
use crate::rig::Rig;

#[derive(Parser)]
struct Typed {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

/// What `sink dead-letters` prints and comes to.
async fn dead_letters(rig: &Rig, typed: &str) -> (String, Result<(), String>) {
    let typed = Typed::parse_from(std::iter::once("dead-letters").chain(typed.split_whitespace()));
    let mut out = Vec::new();
    let result = sink::dead_letters::run(&rig.args(&[]), &typed.command, &mut out).await;
    let result = result.map_err(|error| format!("{error:#}"));
    (String::from_utf8(out).unwrap(), result)
}

/// What a dead letter was, and by which rule it became one.
struct Refused<'a> {
    payload: &'a [u8],
    rule: &'a str,
    topic: Option<&'a str>,
}

/// Enters dead letters of farm `north` in partition 0, a second apart from noon on.
async fn enter(rig: &Rig, refused: impl IntoIterator<Item = Refused<'_>>) {
    let mut connection = rig.connect().await;
    let sql = "INSERT INTO dead_letters (kafka_partition, kafka_offset, appended_at, farm_id, key, payload, headers, \
               reason, rule, field, value, bound, source_topic, source_partition, source_offset) \
               VALUES (0, $1, timestamptz '2025-11-23T12:00:00Z' + $1 * interval '1 s', 'north', 'north', $2, \
               '{\"dlq.rule\": \"as it was\"}', 'it is so', $3, 'wind_speed_mps', E'76\\t\\u001b', '[0, 75]', $4, \
               CASE WHEN $4 IS NOT NULL THEN 3 END, CASE WHEN $4 IS NOT NULL THEN 77 END)";
    for (offset, letter) in (0_i64..).zip(refused) {
        sqlx::query(sql)
            .bind(offset)
            .bind(letter.payload)
            .bind(letter.rule)
            .bind(letter.topic)
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

async fn payload(rig: &Rig, reading: &RawReading<'_>) -> Vec<u8> {
    let id = rig.schema(Topic::Readings, RecordType::Reading).await;
    let mut payload = Vec::new();
    wire::frame(id, &mut payload);
    encode_reading(reading, &mut payload);
    payload
}

fn sent(rig: &Rig) -> Vec<Record> {
    committed_records(&rig.stack.kafka(), &rig.topics.readings)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_taken_today_goes_back_as_it_was_and_only_once() {
    let rig = Rig::new().await;
    let good = payload(&rig, &raw("north", "T1", noon(0), 8.0)).await;
    let bad = payload(&rig, &raw("north", "T1", noon(1), 76.0)).await;
    let readings = Some(rig.topics.readings.as_str());
    let letter = |payload, rule, topic| Refused { payload, rule, topic };
    let late = rig.topics.late_readings.clone();
    enter(
        &rig,
        [
            letter(&good, "event_time_ahead", readings),
            letter(&bad, "wind_speed_mps", readings),
            letter(b"\x07", "undecodable", readings),
            letter(b"{}", "no_metric", None),
            letter(&good, "database", Some(&late)),
        ],
    )
    .await;

    let (said, result) = dead_letters(&rig, "replay --all --dry-run").await;
    result.unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "0-0 would be taken");
    assert_eq!(
        lines[1],
        "0-1 would be refused again by wind_speed_mps: wind_speed_mps is 76, allowed is [0, 75]"
    );
    assert!(
        lines[2].starts_with("0-2 would be refused again by undecodable: "),
        "{said}"
    );
    assert_eq!(lines[3], "0-3 cannot be sent again: it never was on Kafka");
    assert_eq!(
        lines[4],
        format!("0-4 cannot be sent again: nothing is sent back to the topic {late}")
    );
    assert_eq!(lines[5], "3 to be sent again, 2 cannot be sent again");
    assert_eq!(
        rig.number("SELECT count(replay_begun_at) FROM dead_letters")
            .await,
        0
    );
    assert!(sent(&rig).is_empty());

    let (said, result) = dead_letters(&rig, "replay --farm north --only-acceptable").await;
    result.unwrap();
    assert!(
        said.ends_with("1 to be sent again, 2 would be refused again, 2 cannot be sent again\n"),
        "{said}"
    );
    let records = sent(&rig);
    assert_eq!(records.len(), 1);
    assert_eq!(
        (records[0].key.as_slice(), &records[0].payload),
        (&b"north"[..], &good)
    );
    assert_eq!(records[0].headers["dlq.replayed"], "0-0");
    let noted = format!(
        "SELECT count(*) FROM dead_letters WHERE kafka_offset = 0 AND replayed_at >= replay_begun_at \
         AND replayed_topic = '{}' AND replayed_partition = {} AND replayed_offset = {}",
        rig.topics.readings, records[0].partition, records[0].offset
    );
    assert_eq!(rig.number(&noted).await, 1);

    let (said, result) = dead_letters(&rig, "replay --id 0-0 --id 0-1").await;
    result.unwrap();
    assert!(said.starts_with("0-0 was sent again at "), "{said}");
    let payloads: Vec<_> = sent(&rig).into_iter().map(|record| record.payload).collect();
    assert_eq!(
        payloads,
        [good, bad],
        "what is asked for is sent, whatever the rules think"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_by_what_is_asked_for_and_shown_whole() {
    let rig = Rig::new().await;
    let bad = payload(&rig, &raw("north", "T1", noon(1), 76.0)).await;
    let readings = rig.topics.readings.as_str();
    enter(
        &rig,
        [
            ("wind_speed_mps", &bad[..]),
            ("undecodable", b"plain"),
            ("undecodable", b"\x1b"),
        ]
        .map(|(rule, payload)| Refused {
            payload,
            rule,
            topic: Some(readings),
        }),
    )
    .await;
    for (typed, ids) in [
        ("list", &["0-2", "0-1", "0-0"][..]),
        ("list --limit 1", &["0-2"]),
        ("list --rule undecodable", &["0-2", "0-1"]),
        ("list --farm south", &[]),
        ("list --farm north --rule wind_speed_mps", &["0-0"]),
        (
            "list --from 2025-11-23T12:00:01Z --to 2025-11-23T12:00:02Z",
            &["0-1"],
        ),
        ("list --id 0-1 --id 7-7", &["0-1"]),
        ("list --state replayed", &[]),
        ("list --state open --json", &["0-2", "0-1", "0-0"]),
    ] {
        let (said, result) = dead_letters(&rig, typed).await;
        result.unwrap();
        let found: Vec<String> = said
            .lines()
            .filter(|line| !line.starts_with("ID"))
            .map(|line| match serde_json::from_str::<serde_json::Value>(line) {
                Ok(object) => object["id"].as_str().unwrap().to_owned(),
                Err(_) => line.split('\t').next().unwrap().to_owned(),
            })
            .collect();
        assert_eq!(found, ids, "{typed}\n{said}");
    }
    let (said, _) = dead_letters(&rig, "list --id 0-0").await;
    assert_eq!(
        said.lines().last().unwrap(),
        "0-0\t2025-11-23T12:00:00Z\tnorth\twind_speed_mps\twind_speed_mps = 76\\t\\u{1b}\t[0, 75]\t-"
    );

    let (said, result) = dead_letters(&rig, "show 0-0").await;
    result.unwrap();
    for line in [
        "reason      it is so",
        "today       would be refused again by wind_speed_mps: wind_speed_mps is 76, allowed is [0, 75]",
        "reading     north T1 at 2025-11-23T12:00:01Z, wind_speed_mps 76",
        "header      dlq.rule: as it was",
        &format!("was at      {readings}[3] at 77"),
    ] {
        assert!(said.lines().any(|found| found == line), "{line}\n{said}");
    }
    let (said, _) = dead_letters(&rig, "show 0-1").await;
    assert!(said.contains("value       plain\n"), "{said}");
    let (said, _) = dead_letters(&rig, "show 0-2").await;
    assert!(said.contains("value       0x1b\n"), "{said}");
    let (_, result) = dead_letters(&rig, "show 7-7").await;
    assert_eq!(result.unwrap_err(), "there is no dead letter 7-7");
}

/// The program itself, which dies at this point.
async fn replay(rig: &Rig, fail_point: Option<&str>, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sink"));
    command
        .envs(rig.stack.environment())
        .env("DATABASE_URL", &rig.database.sink_url)
        .args(["dead-letters", "replay", "--all"])
        .args(options);
    if let Some(name) = fail_point {
        command.env("FAIL_POINT", name);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_a_replay_sends_nothing_twice_unasked() {
    let rig = Rig::new().await;
    let readings = rig.topics.readings.as_str();
    let good = payload(&rig, &raw("north", "T1", noon(0), 8.0)).await;
    let letters = |_| Refused {
        payload: &good,
        rule: "event_time_ahead",
        topic: Some(readings),
    };
    // more than are sent at once
    enter(&rig, (0..100).map(letters)).await;
    let ids = |rig: &Rig| -> Vec<String> {
        let mut ids: Vec<_> = sent(rig)
            .into_iter()
            .map(|record| record.headers["dlq.replayed"].clone())
            .collect();
        ids.sort_unstable_by_key(|id| id[2..].parse::<i64>().unwrap());
        ids
    };
    let wanted = |range: std::ops::Range<i64>| -> Vec<String> { range.map(|n| format!("0-{n}")).collect() };

    assert!(!replay(&rig, Some("before-replay"), &[]).await.status.success());
    assert_eq!(ids(&rig), wanted(0..0), "noted, and not sent");
    // those go on with the others, and not with these
    assert!(!replay(&rig, Some("after-replay"), &[]).await.status.success());
    assert_eq!(ids(&rig), wanted(64..100), "sent, and not confirmed");
    let output = replay(&rig, None, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("0 to be sent again, 100 unconfirmed\n"), "{said}");
    assert!(said.contains("0-99 was perhaps sent again: begun at "), "{said}");
    assert_eq!(ids(&rig), wanted(64..100));

    // somebody has looked: the first ones are not there
    rig.execute("UPDATE dead_letters SET replayed_at = now() WHERE kafka_offset >= 64")
        .await;
    let output = replay(&rig, Some("after-replay-note"), &["--resend-unconfirmed"]).await;
    assert!(!output.status.success());
    assert_eq!(ids(&rig), wanted(0..100), "all, each once");
    let output = replay(&rig, None, &["--resend-unconfirmed"]).await;
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0 to be sent again\n");
    assert_eq!(ids(&rig).len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_do_not_replay_at_once() {
    let rig = Rig::new().await;
    let mut other = Quarantine::open(&rig.options()).await.unwrap();
    assert!(other.lock().await.unwrap());
    let (_, result) = dead_letters(&rig, "replay --all").await;
    assert_eq!(
        result.unwrap_err(),
        "somebody else is sending dead letters again just now"
    );
    let (_, result) = dead_letters(&rig, "replay --all --dry-run").await;
    result.unwrap();
    drop(other);
    let (_, result) = dead_letters(&rig, "replay").await;
    assert!(result.unwrap_err().starts_with("which dead letters?"));
    let mut api = sqlx::PgConnection::connect(&rig.database.api_url).await.unwrap();
    let note = sqlx::query("UPDATE dead_letters SET replayed_at = now()")
        .execute(&mut api)
        .await;
    assert!(note.is_err(), "only the sink notes what was sent");
}
