//! By TLS, as a client has it that trusts our certificate only.

use std::path::{Path, PathBuf};

use clap::Parser;
use reqwest::{Certificate, Client};
use tokio::io::AsyncReadExt;

use crate::app::{PATIENCE, TestApi, rest};
use crate::fixtures;

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/keys")
        .join(name)
}

async fn encrypted_api() -> TestApi {
    TestApi::start_with(|args| {
        args.api.tls_cert = Some(file("server.cert.pem"));
        args.api.tls_key = Some(file("server.key.pem"));
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_the_api_speaks_tls_and_nothing_else() {
    let api = encrypted_api().await;
    fixtures::farms(&api.database).await;
    let certificate = Certificate::from_pem(&std::fs::read(file("server.cert.pem")).unwrap()).unwrap();
    let client = Client::builder()
        .tls_certs_only([certificate])
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/v1/farms", api.address().port());
    let answer = client
        .get(&url)
        .header("x-api-key", &api.key)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let farms: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(farms["items"][0]["farm_id"], "north");

    let stranger = Client::builder().tls_certs_only([]).build().unwrap();
    assert!(
        stranger.get(&url).send().await.is_err(),
        "who does not trust the certificate does not come in"
    );

    let mut in_the_clear = api.connect().await;
    let request = b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut in_the_clear, request)
        .await
        .unwrap();
    let told = rest(in_the_clear).await;
    assert!(!told.contains("HTTP/1.1"), "{told}");

    // who connects and then says nothing holds no place
    let mut silent = api.connect().await;
    let end = tokio::time::timeout(PATIENCE, silent.read(&mut [0; 1]))
        .await
        .unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[test]
fn a_certificate_of_no_use_is_named() {
    let refusal = |certificate: &str, key: &str| {
        let certificate = format!("--tls-cert={}", file(certificate).display());
        let key = format!("--tls-key={}", file(key).display());
        let args = api::Args::parse_from(["api", &certificate, &key]);
        args.api.tls().unwrap_err().to_string()
    };
    assert!(refusal("nothing.pem", "server.key.pem").starts_with("cannot read certificates in "));
    assert!(refusal("server.cert.pem", "nothing.pem").starts_with("cannot read a private key in "));
    assert!(refusal("server.cert.pem", "es256.pem").contains(" do not belong together"));
}
