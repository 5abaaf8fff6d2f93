//! Clients that keep the server waiting, on purpose or by accident.

use std::time::Duration;

use api::auth::Scope;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{PATIENCE, TestApi, rest};
use crate::listening::{Ears, HEARTBEAT};

const HEAD_TIME: Duration = Duration::from_secs(1);

async fn impatient_api() -> TestApi {
    TestApi::start_with(|args| {
        args.api.max_head_time = HEAD_TIME;
        args.api.live.live_heartbeat = HEARTBEAT;
    })
    .await
}

/// Sends a head byte by byte, without an end, and returns what came until the server had enough.
async fn trickle(connection: TcpStream) -> String {
    let (mut incoming, mut outgoing) = connection.into_split();
    let head = "GET /v1/farms HTTP/1.1\r\nhost: localhost\r\nx-padding: ";
    let slowly = async {
        for byte in head.bytes().chain(std::iter::repeat(b'x')) {
            if outgoing.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut told = Vec::new();
    tokio::select! {
        () = slowly => {}
        end = tokio::time::timeout(PATIENCE, incoming.read_to_end(&mut told)) => {
            let _ = end.expect("the server has had enough in time"); // a reset is an end too
        }
    }
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let api = impatient_api().await;
    let told = trickle(api.connect().await).await;
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    let told = rest(api.connect().await).await;
    assert!(
        told.starts_with("HTTP/1.1 408 "),
        "nor one that does not begin: {told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_the_head_of_a_later_request_and_listeners_stay() {
    let api = impatient_api().await;
    api.ready().await;
    let key = api.key(&[Scope::Read], None).await;
    let mut ears = Ears::open(&api, "", &key, None).await;

    let mut connection = api.connect().await;
    connection
        .write_all(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    trickle(connection).await;

    // it was silent for as long, and nobody closed it
    ears.heartbeat().await;
    ears.heartbeat().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_takes_no_place_from_those_who_do() {
    let api = TestApi::start_with(|args| {
        args.api.max_head_time = HEAD_TIME;
        args.api.max_connections = 2;
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(api.connect().await);
    }
    let answer = api.request(Method::GET, "/ping").send().await.unwrap();
    assert_eq!(answer.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_a_bound() {
    let api = TestApi::start().await;
    for head in [
        "x-one: of many\r\n".repeat(200),
        format!("x-long: {}\r\n", "x".repeat(200_000)),
    ] {
        let (mut incoming, mut outgoing) = api.connect().await.into_split();
        let request = format!("GET /ping HTTP/1.1\r\nhost: localhost\r\n{head}\r\n");
        // the server may have had enough before the end
        let sending = tokio::spawn(async move { outgoing.write_all(request.as_bytes()).await });
        let mut told = [0; 12];
        tokio::time::timeout(PATIENCE, incoming.read_exact(&mut told))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&told, b"HTTP/1.1 431");
        let _ = sending.await.unwrap();
    }
}
