//! Against the real schema registry.
#![expect(clippy::unwrap_used, reason = "what helps a test may panic as the test may")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avro::{Decoder, RecordType, Registry, RegistryConfig, RegistryError, encode_reading, wire};
use domain::RawReading;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, post_schema};
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// No registry gets that far within a test.
const NO_ID: avro::SchemaId = 2_000_000_000;

fn url() -> String {
    std::env::var("SCHEMA_REGISTRY_URL").expect(
        "SCHEMA_REGISTRY_URL names no schema registry; `cargo xtask test` starts one and runs the tests",
    )
}

fn config(url: &str) -> RegistryConfig {
    RegistryConfig {
        url: url.to_owned(),
        cache_file: None,
    }
}

fn registry() -> Registry {
    Registry::new(config(&url())).unwrap()
}

/// A topic that no other test and no earlier run has.
fn topic() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("avro-test.{nanos}.{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Registers somebody else's schema.
async fn post(topic: &str, json: &str) -> avro::SchemaId {
    let schema = SuppliedSchema::new(None, SchemaType::Avro, json.to_owned());
    post_schema(&SrSettings::new(url()), format!("{topic}-value"), schema)
        .await
        .unwrap()
        .id
}

/// Stands before the registry, to be counted on and to be stopped.
struct Proxy {
    url: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// The first `refused` connections are closed at once.
    async fn start(refused: usize) -> Self {
        let url = url();
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let (host, listener) = (host.to_owned(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("http://{}/{path}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            // those that it has begun end with it
            let mut passing = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                if count.fetch_add(1, Ordering::Relaxed) < refused {
                    continue;
                }
                let mut server = TcpStream::connect(&host).await.unwrap();
                passing.spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self {
            url,
            connections,
            task,
        }
    }

    async fn stop(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn payload(id: avro::SchemaId) -> Vec<u8> {
    let mut payload = Vec::new();
    wire::frame(id, &mut payload);
    encode_reading(
        &RawReading {
            farm_id: "north".into(),
            ..RawReading::default()
        },
        &mut payload,
    );
    payload
}

#[tokio::test]
async fn a_schema_has_one_id_and_is_found_under_it() {
    let topic = topic();
    for record in RecordType::ALL {
        let topic = format!("{topic}.{}", record.name());
        let id = registry().register(&topic, record).await.unwrap();
        assert_eq!(registry().register(&topic, record).await, Ok(id));
        assert_eq!(registry().resolve(id).await.unwrap().straight(), Some(record));
    }
}

#[tokio::test]
async fn a_new_id_is_read_after_it_was_looked_up() {
    let id = registry().register(&topic(), RecordType::Reading).await.unwrap();
    let registry = registry();
    let mut decoder = Decoder::new(registry.clone());
    let payload = payload(id);
    assert_eq!(
        decoder.reading(&payload),
        Err(avro::DecodeError::UnknownSchema(id))
    );
    registry.resolve(id).await.unwrap();
    assert_eq!(decoder.reading(&payload).unwrap().farm_id, "north");
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_resolved() {
    let json = r#"{"type":"record","name":"Reading","fields":[
        {"name":"turbine_id","type":"string"},{"name":"farm_id","type":"string"},
        {"name":"event_time","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;
    let id = post(&topic(), json).await;
    let registry = registry();
    assert_eq!(registry.resolve(id).await.unwrap().straight(), None);
    let mut payload = Vec::new();
    wire::frame(id, &mut payload);
    payload.extend_from_slice(&[2, b't', 2, b'f', 0]);
    assert_eq!(Decoder::new(registry).reading(&payload).unwrap().turbine_id, "t");
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_for_good() {
    let topic = topic();
    post(
        &topic,
        r#"{"type":"record","name":"Reading","namespace":"windfarm","fields":[{"name":"a","type":"int"}]}"#,
    )
    .await;
    let error = registry()
        .register(&topic, RecordType::Reading)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn an_id_that_does_not_exist_is_definite() {
    let error = registry().resolve(NO_ID).await.unwrap_err();
    assert_eq!(error, RegistryError::NoSuchSchema(NO_ID));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_transient() {
    let registry = Registry::new(config(&nowhere().await))
        .unwrap()
        .with_patience(Duration::from_millis(300));
    let error = registry.resolve(1).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_wrong_path_says_nothing_about_the_id() {
    let (host, _) = url()
        .split_once("/apis")
        .map(|(host, path)| (host.to_owned(), path.to_owned()))
        .unwrap();
    let registry = Registry::new(config(&format!("{host}/wrong")))
        .unwrap()
        .with_patience(Duration::ZERO);
    let error = registry.resolve(NO_ID).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_address_without_a_scheme_is_told_at_once() {
    assert!(matches!(
        Registry::new(config("localhost:8081")),
        Err(RegistryError::Settings(_))
    ));
}

#[tokio::test]
async fn a_registration_waits_for_a_registry_that_comes_later() {
    let proxy = Proxy::start(3).await;
    let registry = Registry::new(config(&proxy.url)).unwrap();
    let id = registry.register(&topic(), RecordType::Reading).await.unwrap();
    assert_eq!(registry.known(id).unwrap().straight(), Some(RecordType::Reading));
}

#[tokio::test]
async fn many_who_want_one_id_ask_once() {
    let id = registry().register(&topic(), RecordType::Reading).await.unwrap();
    let proxy = Proxy::start(0).await;
    let registry = Registry::new(config(&proxy.url)).unwrap();
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let registry = registry.clone();
            tokio::spawn(async move { registry.resolve(id).await.unwrap() })
        })
        .collect();
    let first = registry.resolve(id).await.unwrap();
    for schema in asking {
        assert!(Arc::ptr_eq(&first, &schema.await.unwrap()));
    }
    assert_eq!(
        proxy.connections.load(Ordering::Relaxed),
        1,
        "one connection carries one request at a time"
    );
}

#[tokio::test]
async fn a_program_starts_from_its_cache_file_while_the_registry_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let cache_file = Some(folder.path().join("schemas.json"));
    let topic = topic();
    let proxy = Proxy::start(0).await;
    let config = RegistryConfig {
        url: proxy.url.clone(),
        cache_file,
    };
    let before = Registry::new(config.clone()).unwrap();
    let id = before.register(&topic, RecordType::Reading).await.unwrap();
    let other = post(
        &format!("{topic}.other"),
        r#"{"type":"record","name":"Other","fields":[{"name":"a","type":"int"}]}"#,
    )
    .await;
    before.resolve(other).await.unwrap();
    proxy.stop().await;

    let after = Registry::new(config).unwrap().with_patience(Duration::ZERO);
    assert_eq!(after.register(&topic, RecordType::Reading).await, Ok(id));
    assert_eq!(
        after.resolve(id).await.unwrap().straight(),
        Some(RecordType::Reading)
    );
    assert_eq!(after.resolve(other).await.unwrap().straight(), None);
    assert!(after.resolve(NO_ID).await.unwrap_err().is_transient());
    assert_eq!(
        Decoder::new(after).reading(&payload(id)).unwrap().farm_id,
        "north"
    );
}

#[tokio::test]
async fn a_cache_file_from_before_the_registry_was_emptied_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schemas.json");
    let topic = topic();
    let stale = json!({
        "registry": url(),
        "subjects": {format!("{topic}-value"): NO_ID},
        "schemas": {NO_ID.to_string(): RecordType::Reading.schema_json()},
    });
    std::fs::write(&file, stale.to_string()).unwrap();
    let registry = Registry::new(RegistryConfig {
        url: url(),
        cache_file: Some(file),
    })
    .unwrap();
    assert!(registry.known(NO_ID).is_some());
    let id = registry.register(&topic, RecordType::Reading).await.unwrap();
    assert_ne!(id, NO_ID);
    assert!(registry.known(id).is_some());
    assert!(registry.known(NO_ID).is_none());
}
