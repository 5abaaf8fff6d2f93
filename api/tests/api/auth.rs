//! Who may ask what. The first tests walk through the specification, so that no door can be forgotten.

use std::time::{Duration, SystemTime};

use api::auth::{KeyHash, Scope, Secret};
use api::queries::keys::{self, NewKey};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;

use crate::app::{PATIENCE, TestApi, problem};
use crate::fixtures;

/// Every operation of the specification, with names put in for what varies.
fn operations() -> Vec<(Method, String)> {
    let document = serde_json::to_value(api::openapi_document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let id = if path.starts_with("/generadores") {
            "T1"
        } else {
            "0-0"
        };
        let path = path
            .replace("{farm}", "north")
            .replace("{turbine}", "T1")
            .replace("{id}", id);
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase().parse().unwrap(), path.clone()))
    });
    operations.collect()
}

fn is_legacy(path: &str) -> bool {
    !path.starts_with("/v1/")
}

async fn ask(api: &TestApi, method: &Method, path: &str, key: Option<&str>) -> (u16, Value) {
    let mut request = api.request(method.clone(), path);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    if *method == Method::POST {
        let reading = json!({"farm_id": "north", "turbine_id": "T1", "event_time": "2026-11-23T10:00:00Z",
                             "wind_speed_mps": 8});
        request = request.json(&reading);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status >= 400 && !is_legacy(path) {
        return problem(response).await;
    }
    (status, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_without_a_good_key() {
    let api = TestApi::start().await;
    assert!(operations().len() >= 14);
    for (method, path) in operations() {
        let (without, body) = ask(&api, &method, &path, None).await;
        let (unknown, _) = ask(&api, &method, &path, Some("vel_unknown")).await;
        if is_legacy(&path) {
            assert_eq!(without, 422, "{path}");
            let missing = json!({"type": "missing", "loc": ["header", "x-api-key"], "msg": "Field required", "input": null});
            assert_eq!(body["detail"][0], missing, "{path}");
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
    let reader = api.key(&[Scope::Read], None).await;
    let writer = api.key(&[Scope::Write], None).await;
    for (method, path) in operations() {
        let (key, lacks) = if method == Method::GET {
            (&writer, "read")
        } else {
            (&reader, "write")
        };
        let (status, body) = ask(&api, &method, &path, Some(key)).await;
        assert_eq!(status, 403, "{path}");
        if is_legacy(&path) {
            assert_eq!(body, json!({"detail": "Forbidden"}));
        } else {
            assert_eq!(body["detail"], format!("the key lacks the scope '{lacks}'"));
        }
        let (status, _) = ask(&api, &method, &format!("{path}?limit=nonsense"), Some(key)).await;
        assert_eq!(status, 403, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_other_farms_sees_and_writes_nothing_of_this_one() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    fixtures::dead_letters(&api.database).await;
    let stranger = api.key(&[Scope::Admin], Some(&["south"])).await;
    // a stream does not end; tests of its own hold it to the same
    for (method, path) in operations().into_iter().filter(|(_, path)| path != "/v1/events") {
        let (status, body) = ask(&api, &method, &path, Some(&stranger)).await;
        let (expected, is_hidden) = match path.as_str() {
            "/v1/farms" => (200, body["items"].as_array().unwrap().len() == 1),
            "/v1/dead-letters" => (200, body["items"].as_array().unwrap().len() == 5),
            "/v1/audit" | "/v1/readings" => (403, true),
            path if is_legacy(path) => (403, true),
            _ => (404, true),
        };
        assert_eq!(status, expected, "{path}");
        assert!(
            is_hidden && !body.to_string().contains("\"T1\""),
            "{path}: {body}"
        );
    }
    assert_eq!(
        api.get_with(&stranger, "/v1/farms/south/turbines/S1")
            .await
            .status(),
        200
    );
    assert_eq!(
        api.get_with(&stranger, "/v1/dead-letters/0-20").await.status(),
        200
    );
    assert_eq!(
        api.get_with(&stranger, "/v1/dead-letters?farm=north")
            .await
            .status(),
        404
    );
    assert_eq!(
        api.get_with(&stranger, "/v1/dead-letters/1-29").await.status(),
        404,
        "a dead letter of no farm could be anybody's"
    );
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
        };
        keys::create(&api.database, &key).await.unwrap();
    };
    create(Some(SystemTime::now() + Duration::from_secs(2))).await;
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
    sqlx::query("DELETE FROM api_keys")
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
