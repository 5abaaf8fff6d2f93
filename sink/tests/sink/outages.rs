//! A database that cannot do its work is waited for; one that never will ends the sink with the reason.

use std::process::{Command, Stdio};

use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::make::nth;
use crate::members::settled;
use crate::rig::{LIMIT, Rig};

/// What goes wrong and how it is mended, in SQL with `{database}` for its name; and what readiness says meanwhile.
const OUTAGES: [(&str, &str, &str, &str); 4] = [
    (
        "it is read-only",
        "ALTER DATABASE {database} SET default_transaction_read_only = on",
        "ALTER DATABASE {database} RESET default_transaction_read_only",
        "read-only transaction",
    ),
    (
        "it takes no more connections",
        "ALTER DATABASE {database} CONNECTION LIMIT 0",
        "ALTER DATABASE {database} CONNECTION LIMIT -1",
        "too many connections",
    ),
    (
        "its disk is full",
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION ''no space left on device'' USING ERRCODE = ''53100''; END'; \
         CREATE TRIGGER full_disk BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION full_disk()",
        "DROP TRIGGER full_disk ON readings",
        "no space left on device",
    ),
    (
        "its connections are cut",
        "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        "ALTER DATABASE {database} ALLOW_CONNECTIONS true",
        "not currently accepting connections",
    ),
];

/// Ends all connections but our own, so that new ones must be made.
const CUT: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_store_is_waited_for_and_the_group_keeps_its_member() {
    let rig = Rig::new().await;
    let sink = rig.start(&["--batch-rows", "100"]);
    let mut sent = 100;
    rig.send_readings(&(0..sent).map(nth).collect::<Vec<_>>()).await;
    rig.until("SELECT count(*) FROM readings", sent).await;
    let members = settled(&rig, 1, 1).await;

    for (what, broken, mended, reason) in OUTAGES {
        rig.administrate(broken).await;
        rig.administrate(CUT).await;
        let more: Vec<_> = (sent..sent + 1_000).map(nth).collect();
        rig.send_readings(&more).await;
        eventually(what, LIMIT, async || {
            let not_ready = sink.health.not_ready();
            not_ready.get("database[0]").filter(|why| why.contains(reason))?;
            Some(())
        })
        .await;
        rig.administrate(mended).await;
        sent += 1_000;
        rig.until("SELECT count(*) FROM readings", sent).await;
        sink.until_not_ready(&[]).await;
        assert_eq!(rig.assignments(), members, "{what}");
    }
    sink.stop().await;
    let sums = "SELECT sum(stored)::bigint FROM kafka_offsets WHERE duplicates = 0 AND refused = 0";
    assert_eq!(rig.number(sums).await, sent);
}

/// What no waiting can mend, in SQL, and what is said then.
const FINAL: [(&str, &str); 3] = [
    (
        "REVOKE INSERT ON readings FROM windfarm_sink",
        "permission denied for table readings",
    ),
    ("DROP TABLE readings", "readings\" does not exist"),
    (
        "DROP TABLE kafka_offsets",
        "relation \"kafka_offsets\" does not exist",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_waiting_cannot_mend_is_said_in_one_line() {
    for (broken, reason) in FINAL {
        let rig = Rig::new().await;
        rig.execute(broken).await;
        rig.send_readings(&[nth(0)]).await;
        ends_saying(&rig, &rig.database.sink_url, reason).await;
    }
    let rig = Rig::new().await;
    let nowhere = format!("{}_not", rig.database.sink_url);
    ends_saying(&rig, &nowhere, "does not exist").await;
    let refuses = refusing_server(
        "28P01",
        "password authentication failed for user \"windfarm_sink\"",
    )
    .await;
    ends_saying(&rig, &refuses, "password authentication failed").await;
}

/// Exit code 1, and one error among the lines.
async fn ends_saying(rig: &Rig, database_url: &str, reason: &str) {
    let child = Command::new(env!("CARGO_BIN_EXE_sink"))
        .envs(rig.stack.environment())
        .env("DATABASE_URL", database_url)
        .env("LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let waited = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = tokio::time::timeout(LIMIT, waited).await.unwrap().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{reason}: {text}");
    let errors: Vec<_> = text
        .lines()
        .filter(|line| line.contains(r#""level":"ERROR""#))
        .collect();
    assert!(
        errors.len() == 1 && errors[0].replace('\\', "").matches(reason).count() == 1,
        "{reason}: {text}"
    );
}

/// The address of a server that answers every connection with this error, as PostgreSQL would.
async fn refusing_server(code: &str, message: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    let error = [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // what it asks first is whether there is TLS
            let mut request = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut request).await {
                let answer = if read == 8 { b"N".as_slice() } else { &error };
                if stream.write_all(answer).await.is_err() {
                    break;
                }
            }
        }
    });
    format!("postgres://windfarm_sink:wrong@{address}/windfarm")
}
