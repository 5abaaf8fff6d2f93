//! Writer schemas that nobody here has seen, and a registry that does not answer.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use avro::RecordType;
use domain::RawReading;
use testkit::{Program, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::rig::{LIMIT, Rig};

/// Between the program and its registry; can be switched off.
struct Switch {
    address: SocketAddr,
    is_on: watch::Sender<bool>,
}

impl Switch {
    async fn before(registry: &str) -> Self {
        let far: SocketAddr = registry.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_on = watch::Sender::new(true);
        let switch = is_on.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_on = switch.subscribe();
                tokio::spawn(async move {
                    if !*is_on.borrow() {
                        return;
                    }
                    let mut far = TcpStream::connect(far).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_on.wait_for(|is_on| !is_on) => {}
                    }
                });
            }
        });
        Self { address, is_on }
    }
}

/// A reading whose writer has one field more.
async fn newer_schema(rig: &Rig) -> avro::SchemaId {
    let name = RecordType::Reading.schema_json();
    let schema = name.replacen(
        r#""fields": ["#,
        r#""fields": [{"name": "gearbox_temperature_celsius", "type": ["null", "double"], "default": null},"#,
        1,
    );
    assert_ne!(schema, name);
    let body = serde_json::json!({ "schema": schema }).to_string();
    let (host, path) = rig
        .stack
        .registry_url
        .trim_start_matches("http://")
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST /{path}/subjects/{}-value/versions HTTP/1.1\r\nHost: {host}\r\nContent-Type: \
         application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        rig.topics.readings,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, id) = answer.split_once("\"id\":").unwrap_or_else(|| panic!("{answer}"));
    id.chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap()
}

fn encode(schema: avro::SchemaId, reading: &RawReading<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    avro::wire::frame(schema, &mut payload);
    payload.push(0); // the additional field is null
    avro::encode_reading(reading, &mut payload);
    payload
}

/// What is not ready, in the program's words.
async fn not_ready(mut command: Command) -> String {
    command.arg("healthcheck").stderr(std::process::Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_waits_for_its_schema_and_others_go_on() {
    let rig = Rig::new().await;
    let (host, path) = rig
        .stack
        .registry_url
        .trim_start_matches("http://")
        .split_once('/')
        .unwrap();
    let switch = Switch::before(host).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let command = || {
        let mut command = rig.command("a");
        command
            .env("SCHEMA_REGISTRY_URL", format!("http://{}/{path}", switch.address))
            .env("MANAGEMENT_ADDRESS", free.to_string());
        command
    };
    let _program = Program::start(&mut command());
    let first = rig.reading("north", "T1", 0, 1.0);
    rig.send(std::slice::from_ref(&first));
    rig.until_settled().await;

    switch.is_on.send_replace(false);
    let newer = newer_schema(&rig).await;
    let of_newer = rig.reading("north", "T1", 4_100, 2.0);
    let behind = rig.reading("north", "T1", 4_200, 3.0);
    rig.send_bytes(b"north", &encode(newer, &of_newer));
    rig.send(std::slice::from_ref(&behind));
    let wanted = format!("waits for schema id {newer}");
    eventually("readiness names the schema", LIMIT, async || {
        not_ready(command()).await.contains(&wanted).then_some(())
    })
    .await;
    // farms of other partitions
    let others: Vec<_> = (0..20)
        .map(|farm| rig.reading(&format!("farm-{farm}"), "T1", 4_000, 5.0))
        .collect();
    rig.send(&others);
    let partition = rig.partition_of("north");
    eventually("the others go on", LIMIT, async || {
        let all = (0..6)
            .filter(|&other| other != partition)
            .all(|other| rig.is_settled(other));
        all.then_some(())
    })
    .await;
    assert!(!rig.is_settled(partition));

    switch.is_on.send_replace(true);
    rig.until_settled().await;
    let north: Vec<_> = rig
        .farm_windows()
        .into_iter()
        .filter(|closed| closed.window.farm_id.as_str() == "north")
        .map(|closed| (closed.window.window_start, closed.window.reading_count))
        .collect();
    assert_eq!(north, [(rig.at(0), 1), (rig.at(4_000), 2)]);
    assert!(rig.committed(&rig.topics.dead_letters).is_empty());
    eventually("it is ready again", Duration::from_secs(20), async || {
        not_ready(command()).await.is_empty().then_some(())
    })
    .await;
}
