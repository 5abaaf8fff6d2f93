//! What is forwarded, and what is not.

use std::path::Path;
use std::process::Command;

use platform::json::MAX_READING_BYTES;
use testkit::{Stack, eventually};

use crate::mosquitto::Mosquitto;
use crate::rig::{
    LIMIT, arrive, arrived, dead_letters, forwarder, plain, publish, reading, subscribe_ahead, topics,
};

#[tokio::test(flavor = "multi_thread")]
async fn readings_reach_kafka_and_what_is_refused_is_kept_with_its_reason() {
    let (stack, broker) = (Stack::for_test(), Mosquitto::start());
    topics(&stack).await;
    subscribe_ahead(&broker).await;
    let bad =
        br#"{"farm_id":"north","turbine_id":"T1","event_time":"2026-11-23T10:00:00Z","wind_speed_mps":80.5}"#;
    let large = vec![b'x'; MAX_READING_BYTES + 10];
    let messages = [bad.to_vec(), large, b"8.5 m/s".to_vec()];
    publish(&broker, messages.into_iter().chain((0..200).map(reading))).await;

    let mut program = forwarder(&stack, &plain(&broker), &[], &[]);
    arrive(&stack, 200).await;
    let letters = eventually("the dead letters are there", LIMIT, async || {
        let letters = dead_letters(&stack);
        (letters.len() >= 3).then_some(letters)
    })
    .await;
    let letter = letters.iter().find(|letter| letter.payload == bad).unwrap();
    assert_eq!(letter.key, b"north");
    assert_eq!(letter.headers["dlq.rule"], "wind_speed_mps");
    assert_eq!(letter.headers["dlq.component"], "producer");
    let sizes = |size| {
        letters
            .iter()
            .filter(|letter| letter.payload.len() == size)
            .count()
    };
    assert_eq!((sizes(MAX_READING_BYTES), sizes(7)), (1, 1));

    assert!(program.terminate(LIMIT).success());
    // all is acknowledged: nothing comes again
    let mut program = forwarder(&stack, &plain(&broker), &[], &[]);
    publish(&broker, [reading(200)]).await;
    arrive(&stack, 201).await;
    assert!(program.terminate(LIMIT).success());
    assert!(arrived(&stack).values().all(|&times| times == 1));
    assert_eq!(dead_letters(&stack).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_tls_and_a_password_is_listened_to() {
    let stack = Stack::for_test();
    topics(&stack).await;
    let tls_port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let broker = Mosquitto::start_with(|folder| {
        certificate(folder);
        let (path, secrets) = (folder.display(), folder.join("passwords"));
        std::fs::write(&secrets, "gateway:secret\n").unwrap();
        succeed(Command::new("mosquitto_passwd").arg("-U").arg(&secrets));
        // who publishes comes by the plain listener without a name
        format!(
            "per_listener_settings true\nallow_anonymous true\nlistener {tls_port} 127.0.0.1\n\
             certfile {path}/certificate.pem\nkeyfile {path}/key.pem\nallow_anonymous false\npassword_file {path}/passwords\n"
        )
    });
    let url = format!("mqtts://localhost:{tls_port}");
    let ca = format!("--ca-file={}", broker.folder().join("certificate.pem").display());
    let settings = [ca.as_str(), "--username=gateway"];
    let mut program = forwarder(&stack, &url, &settings, &[("MQTT_PASSWORD", "secret")]);
    eventually("a reading has come through", LIMIT, async || {
        publish(&broker, [reading(0)]).await;
        (!arrived(&stack).is_empty()).then_some(())
    })
    .await;
    assert!(program.terminate(LIMIT).success());
}

#[test]
fn what_cannot_work_is_told_before_any_server_is_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = format!("--ca-file={}", file.path().display());
    for (arguments, told) in [
        (
            ["--broker=mqtt://b", "--topic=a/#/b"],
            "--topic is 'a/#/b', which is no topic filter",
        ),
        (["--broker=mqtts://b", &file], "no certificate in it"),
        (
            ["--broker=mqtt://b", "--keep-alive=10ms"],
            "--keep-alive is 10ms, 1s to 65535s is wanted",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_producer"))
            .args(["mqtt", "--topic=windfarm/#"])
            .args(arguments)
            .env("LOG_FORMAT", "human")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
}

/// One that has signed itself, for `localhost`.
fn certificate(folder: &Path) {
    succeed(
        Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "30",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(folder.join("key.pem"))
            .arg("-out")
            .arg(folder.join("certificate.pem")),
    );
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
