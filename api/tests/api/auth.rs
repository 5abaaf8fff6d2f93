//! Who may ask what. The first tests walk through the specification, so that no door can be forgotten.

use std::time::Duration;

use api::auth::{KeyHash, Scope, Secret};
use api::queries::keys::{self, NewKey};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;

use crate::app::{PATIENCE, TestApi};
use crate::fixtures;

/// An operation of the specification, with names put in for what varies.
#[derive(Debug, Clone)]
struct Operation {
    method: Method,
    path: String,
    /// Its path in the specification.
    pattern: String,
    /// The scope that a key must have for it; none if it is open to everybody.
    scope: Option<String>,
}

/// Every operation of the specification, about a farm of this name.
fn operations(farm: &str) -> Vec<Operation> {
    let document = serde_json::to_value(api::openapi_document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(pattern, methods)| {
        let id = match pattern.as_str() {
            "/generadores/{id}" => "T1",
            "/v1/dead-letters/{id}" => "0-0",
            _ => "1",
        };
        let path = pattern
            .replace("{farm}", farm)
            .replace("{turbine}", "T1")
            .replace("{id}", id);
        methods.as_object().unwrap().iter().map(move |(method, told)| {
            let scope = told["security"][0]["key"][0].as_str().map(str::to_owned);
            let is_open = told["security"] == json!([]) || told["security"] == json!([{}]);
            assert!(
                scope.is_some() || is_open,
                "{method} {pattern} does not say who may do it"
            );
            Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                pattern: pattern.clone(),
                scope,
            }
        })
    });
    operations.collect()
}

fn is_legacy(path: &str) -> bool {
    ["/medidas", "/agregados", "/generadores"]
        .iter()
        .any(|door| path.starts_with(door))
}

fn is_influx(path: &str) -> bool {
    path.ends_with("/write")
}

/// A body that the operation would take from a key that may do everything, about farm `north`.
fn body_of(operation: &Operation) -> Value {
    match operation.pattern.as_str() {
        "/v1/keys" => json!({"name": "another", "scopes": ["read"], "farms": ["north"]}),
        "/v1/keys/{id}/rotate" => json!({}),
        "/medidas" => json!({"generator_id": "T1", "wind_speed": 8, "wind_direction": 1, "rotor_speed": 1,
                             "temperature": 1, "timestamp": "2026-11-23T10:00:00Z"}),
        _ => json!({"farm_id": "north", "turbine_id": "T1", "event_time": "2026-11-23T10:00:00Z",
                    "wind_speed_mps": 8}),
    }
}

/// How long an answer that has no end is listened to.
const LISTENED: Duration = Duration::from_millis(500);

/// The status, and as much of the answer as comes: that of a stream without an end is cut.
async fn ask(api: &TestApi, operation: &Operation, query: &str, key: Option<&str>) -> (u16, String) {
    let Operation { method, path, .. } = operation;
    let mut request = api.request(method.clone(), &format!("{path}{query}"));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    if is_influx(path) {
        request = request.body("reading,farm_id=north,turbine_id=T1 wind_speed_mps=8");
    } else if *method == Method::POST {
        request = request.json(&body_of(operation));
    }
    let mut response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status >= 400 && path.starts_with("/v1/") {
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
    }
    let is_stream = response
        .headers()
        .get("content-type")
        .is_some_and(|value| value == "text/event-stream");
    let mut text = Vec::new();
    let end = tokio::time::Instant::now() + if is_stream { LISTENED } else { PATIENCE };
    while let Ok(Ok(Some(piece))) = tokio::time::timeout_at(end, response.chunk()).await {
        text.extend_from_slice(&piece);
    }
    (status, String::from_utf8_lossy(&text).into_owned())
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_without_a_good_key() {
    let api = TestApi::start().await;
    let mut closed = operations("north");
    closed.retain(|operation| operation.scope.is_some());
    assert!(closed.len() >= 20);
    for operation in closed {
        let path = &operation.path;
        let (without, body) = ask(&api, &operation, "", None).await;
        let (unknown, _) = ask(&api, &operation, "", Some("vel_unknown")).await;
        if is_legacy(path) {
            assert_eq!(without, 422, "{path}");
            let missing = json!({"type": "missing", "loc": ["header", "x-api-key"], "msg": "Field required", "input": null});
            assert_eq!(json_of(&body)["detail"][0], missing, "{path}");
        } else {
            assert_eq!(without, 401, "{path}");
        }
        assert_eq!(unknown, 401, "{path}");
    }
    let response = api.request(Method::GET, "/v1/farms").send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"veleta\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_is_refused_before_anything_else_is_looked_at() {
    let api = TestApi::start().await;
    let keys = [
        ("read", api.key(&[Scope::Read], None).await),
        ("write", api.key(&[Scope::Write], None).await),
    ];
    for operation in operations("north") {
        let Some(wanted) = &operation.scope else { continue };
        let path = &operation.path;
        for (_, key) in keys.iter().filter(|(scope, _)| scope != wanted) {
            let (status, body) = ask(&api, &operation, "", Some(key)).await;
            assert_eq!(status, 403, "{path}");
            if is_legacy(path) {
                assert_eq!(json_of(&body), json!({"detail": "Forbidden"}));
            } else if is_influx(path) {
                assert!(body.contains("the key lacks the scope 'write'"), "{body}");
            } else {
                let detail = format!("the key lacks the scope '{wanted}'");
                assert_eq!(json_of(&body)["detail"], detail, "{path}");
            }
            let (status, _) = ask(&api, &operation, "?limit=nonsense", Some(key)).await;
            assert_eq!(status, 403, "{path}");
        }
    }
}

/// What only farm `north` has, in the fixtures: its name, its turbines, and the keys that open it.
const SECRETS: [&str; 5] = ["north", "\"T1\"", ",T1,", "\"T2\"", "key of everything"];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_other_farms_sees_and_changes_nothing_of_this_one() {
    let api = TestApi::start_with(|args| args.legacy.legacy_farm_id = "north".parse().unwrap()).await;
    api.ready().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    fixtures::dead_letters(&api.database).await;
    fixtures::run(&api.database, "UPDATE api_keys SET name = 'key of everything'").await;
    let stranger = api.key(&[Scope::Admin], Some(&["south"])).await;

    let mut told = 0;
    for operation in operations("north") {
        let Operation { method, pattern, .. } = &operation;
        let is_write = operation.scope.is_some() && *method != Method::GET;
        for query in ["", "?format=csv", "?limit=1"] {
            let (status, text) = ask(&api, &operation, query, Some(&stranger)).await;
            // to have named the farm oneself is no secret told
            let names =
                pattern.contains("{farm}") || is_write || is_legacy(pattern) || pattern.contains("{id}");
            if names {
                assert!(
                    matches!(status, 400 | 401 | 403 | 404 | 405 | 406 | 422),
                    "{method} {pattern}{query}: {status} {text}"
                );
            } else {
                for secret in SECRETS {
                    assert!(
                        !text.contains(secret),
                        "{method} {pattern}{query} tells of {secret}: {text}"
                    );
                }
            }
        }
        // and it is not that there would be nothing to tell
        if !is_write && operation.scope.is_some() {
            let (status, text) = ask(&api, &operation, "", Some(&api.key)).await;
            assert_eq!(status, 200, "{pattern}: {text}");
            told += usize::from(SECRETS.iter().any(|secret| text.contains(secret)));
        }
    }
    assert!(told >= 13, "only {told} operations tell of the farm");

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    for topic in [&topics.readings, &topics.dead_letters] {
        assert!(testkit::committed_records(&kafka, topic).is_empty(), "{topic}");
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL")
        .fetch_one(&api.database)
        .await
        .unwrap();
    assert_eq!(keys, 2, "it neither made nor revoked one");
    for (path, status) in [
        ("/v1/farms/south/turbines/S1", 200),
        ("/v1/dead-letters/0-20", 200),
        ("/v1/dead-letters?farm=north", 404),
        ("/v1/dead-letters/1-29", 404), // of no farm, so it could be anybody's
        ("/v1/keys/2", 200),
        ("/v1/audit", 403),
    ] {
        assert_eq!(
            api.get_with(&stranger, path).await.status().as_u16(),
            status,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_is_as_good_as_a_header_of_our_own() {
    let api = TestApi::start().await;
    let request = api.request(Method::GET, "/v1/farms").bearer_auth(&api.key);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let request = api
        .request(Method::GET, "/v1/farms")
        .basic_auth("user", Some(&api.key));
    assert_eq!(request.send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_opens_nothing_within_ten_seconds() {
    let api = TestApi::start().await;
    let key = api.key(&[Scope::Read], None).await;
    assert_eq!(api.get_with(&key, "/v1/farms").await.status(), 200);
    let id: i64 = sqlx::query_scalar("SELECT id FROM api_keys WHERE key_hash = $1")
        .bind(KeyHash::of(&key).as_bytes())
        .fetch_one(&api.database)
        .await
        .unwrap();
    assert!(keys::revoke(&api.database, id).await.unwrap());
    eventually("the key is refused", Duration::from_secs(11), || async {
        (api.get_with(&key, "/v1/farms").await.status() == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_opens_nothing() {
    let api = TestApi::start().await;
    let secret = Secret::random();
    let create = async |expires_at| {
        let key = NewKey {
            name: "short",
            hash: secret.hash(),
            scopes: &[Scope::Read],
            farms: None,
            expires_at,
            rate_limit_per_second: None,
            replaces: None,
        };
        keys::create(&api.database, &key).await.unwrap();
    };
    create(Some(api::clock::now() + domain::TimeDelta::from_secs(2))).await;
    assert_eq!(api.get_with(secret.reveal(), "/v1/farms").await.status(), 200);
    eventually(
        "the key has expired, remembered or not",
        Duration::from_secs(4),
        || async { (api.get_with(secret.reveal(), "/v1/farms").await.status() == 401).then_some(()) },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_key_is_noted() {
    let api = TestApi::start().await;
    api.get("/v1/farms").await;
    let noted = "SELECT last_used_at IS NOT NULL FROM api_keys WHERE key_hash = $1";
    eventually("the use is noted", PATIENCE, || async {
        let query = sqlx::query_scalar(noted).bind(KeyHash::of(&api.key).as_bytes().to_vec());
        let is_noted: bool = query.fetch_one(&api.database).await.unwrap();
        is_noted.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bootstrap_key_is_made_once_and_only_while_there_is_no_administrator() {
    const KEY: &str = "a-first-key-of-some-length";
    let hash = KeyHash::of(KEY);
    let api = TestApi::start_with(|args| args.api.bootstrap_key = Some(KEY.to_owned())).await;
    // the test's own admin key may have been quicker than the API: what counts is the rule
    api.ready().await;
    sqlx::query("TRUNCATE api_keys")
        .execute(&api.database)
        .await
        .unwrap();
    assert!(keys::bootstrap(&api.database, &hash).await.unwrap());
    assert_eq!(api.get_with(KEY, "/v1/farms").await.status(), 200);
    assert!(
        !keys::bootstrap(&api.database, &KeyHash::of("another-one-of-some-length"))
            .await
            .unwrap()
    );
    sqlx::query("UPDATE api_keys SET revoked_at = now()")
        .execute(&api.database)
        .await
        .unwrap();
    assert!(
        !keys::bootstrap(&api.database, &hash).await.unwrap(),
        "what was revoked stays revoked"
    );
    assert!(
        keys::bootstrap(&api.database, &KeyHash::of("another-one-of-some-length"))
            .await
            .unwrap()
    );
}
