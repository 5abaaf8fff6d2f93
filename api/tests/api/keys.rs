//! Keys, over HTTP and as a person types it.

use std::process::{Command, Output};

use api::auth::{KeyHash, Scope};
use expect_test::expect;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::eventually;

use crate::app::{PATIENCE, TestApi, problem};

fn api_key(api: &TestApi, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command
        .arg("key")
        .args(arguments)
        .env("DATABASE_URL", &api.database_url);
    command.output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_created_shown_once_listed_and_revoked() {
    let api = TestApi::start().await;
    let created = api_key(
        &api,
        &[
            "create",
            "--name",
            "a plant",
            "--scopes",
            "read,write",
            "--farms",
            "north,south",
            "--expires-in",
            "90d",
        ],
    );
    assert!(created.status.success());
    let key = stdout(&created).trim().to_owned();
    assert!(key.starts_with("vel_") && key.len() == 68, "{key}");
    assert_eq!(api.get_with(&key, "/v1/farms").await.status(), 200);

    let listed = api_key(&api, &["list"]);
    let line = stdout(&listed)
        .lines()
        .find(|line| line.contains("a plant"))
        .unwrap()
        .to_owned();
    assert!(line.contains("\tread,write\tnorth,south\tvalid\t"), "{line}");
    assert!(!stdout(&listed).contains(&key[4..]));

    let id = line.split('\t').next().unwrap();
    assert!(api_key(&api, &["revoke", id]).status.success());
    assert!(stdout(&api_key(&api, &["list"])).contains("\trevoked\t"));
    eventually("the key is refused", PATIENCE, || async {
        (api.get_with(&key, "/v1/farms").await.status() == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_and_the_exit_code_tells_why() {
    let api = TestApi::start().await;
    let missing = api_key(&api, &["revoke", "999"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no key 999"));
    for bad in [
        &["create", "--name", "x", "--scopes", "root"][..],
        &["create", "--name", "x"],
        &["create", "--name", "x", "--scopes", "read", "--farms", "a b"],
        &[
            "create",
            "--name",
            "x",
            "--scopes",
            "read",
            "--expires-in",
            "soon",
        ],
        &["list", "--database-url", "nonsense"],
    ] {
        assert_eq!(api_key(&api, bad).status.code(), Some(2), "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_line_does_is_in_the_log_and_a_rotated_key_overlaps() {
    let api = TestApi::start().await;
    let created = api_key(
        &api,
        &[
            "create",
            "--name=gateway",
            "--scopes=read",
            "--expires-in=90d",
            "--rate-limit=7",
        ],
    );
    let old = stdout(&created).trim().to_owned();
    let id = id_of(&api, &old).await.to_string();
    let rotated = api_key(&api, &["rotate", &id, "--overlap=2s"]);
    let new = stdout(&rotated).trim().to_owned();
    for key in [&old, &new] {
        assert_eq!(api.get_with(key, "/v1/farms").await.status(), 200);
    }
    eventually("the old key has expired", PATIENCE, || async {
        (api.get_with(&old, "/v1/farms").await.status() == 401).then_some(())
    })
    .await;
    assert_eq!(api.get_with(&new, "/v1/farms").await.status(), 200);
    let list = api_key(&api, &["list"]);
    let line = stdout(&list).lines().last().unwrap().to_owned();
    assert!(
        line.contains("\tgateway\tread\tall\tvalid\t") && line.ends_with(&format!("\t7/s\t{id}")),
        "{line}"
    );

    let again = api_key(&api, &["rotate", &id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains(&format!("there is no valid key {id}")));

    let log = api_key(&api, &["log", "--key", &id]);
    let entries: Vec<&str> = stdout(&log).lines().skip(1).collect();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(
        entries[0].contains(&format!("\t{id}\tchange\tcommand line\t{{\"expires_at\":")),
        "{}",
        entries[0]
    );
    assert!(entries[1].contains("\tcreate\tcommand line\t"), "{}", entries[1]);
    assert!(!stdout(&log).contains("hash"), "{}", stdout(&log));
}

async fn id_of(api: &TestApi, key: &str) -> i64 {
    sqlx::query_scalar("SELECT id FROM api_keys WHERE key_hash = $1")
        .bind(KeyHash::of(key).as_bytes().to_vec())
        .fetch_one(&api.database)
        .await
        .unwrap()
}

async fn delete(api: &TestApi, key: &str, path: &str) -> Response {
    let request = api.request(Method::DELETE, path).header("x-api-key", key);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_and_revoked_over_http() {
    let api = TestApi::start().await;
    let wanted = json!({"name": "a plant", "scopes": ["read"], "farms": ["north"], "expires_in": "90d",
                        "rate_limit_per_second": 50});
    let response = api.post("/v1/keys", wanted.to_string()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let mut created: Value = response.json().await.unwrap();
    let key = created["key"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/v1/keys/{}", created["id"]));
    assert_eq!(id_of(&api, &key).await, created["id"]);
    assert_eq!(api.get_with(&key, "/v1/farms").await.status(), 200);
    for (field, told) in [
        ("key", "once"),
        ("created_at", "a time"),
        ("expires_at", "90 d later"),
    ] {
        created[field] = json!(told);
    }
    expect![[r#"
        {
          "created_at": "a time",
          "expires_at": "90 d later",
          "farms": [
            "north"
          ],
          "id": 2,
          "key": "once",
          "last_used_at": null,
          "name": "a plant",
          "rate_limit_per_second": 50,
          "replaces": null,
          "revoked_at": null,
          "scopes": [
            "read"
          ],
          "state": "valid"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&created).unwrap());

    let listed = api.json("/v1/keys").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let text = listed.to_string() + &api.json(&location).await.to_string();
    assert!(
        !text.contains(&key[4..]) && !text.contains("hash"),
        "a key is shown once"
    );
    let page = api.json("/v1/keys?limit=1").await;
    assert_eq!(page["items"][0]["id"], 1);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(
        api.json(&format!("/v1/keys?limit=1&cursor={cursor}")).await["items"][0]["id"],
        2
    );

    for _ in 0..2 {
        assert_eq!(delete(&api, &api.key, &location).await.status(), 204);
    }
    assert_eq!(
        api.get_with(&key, "/v1/farms").await.status(),
        401,
        "at once, in the same process"
    );
    assert_eq!(api.json(&location).await["state"], "revoked");
    let (status, told) = problem(delete(&api, &api.key, "/v1/keys/999").await).await;
    assert_eq!((status, &told["detail"]), (404, &json!("there is no key '999'")));

    let log = api.json("/v1/key-log?key=2").await;
    let entries: Vec<(&str, &str)> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["actor"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(entries, [("revoke", "key 1"), ("create", "key 1")]);
    assert_eq!(log["items"][1]["changes"]["name"], "a plant");
    let own = sqlx::PgPool::connect(&api.database_url).await.unwrap();
    let refused = sqlx::query("DELETE FROM key_log").execute(&own);
    assert!(
        refused.await.is_err(),
        "the API's own role cannot rewrite the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_does_what_the_old_one_did_and_both_are_good_meanwhile() {
    let api = TestApi::start().await;
    let old = api.key(&[Scope::Read], Some(&["north"])).await;
    let id = id_of(&api, &old).await;
    let rotate = async |overlap: &str| {
        let path = format!("/v1/keys/{id}/rotate");
        api.post(&path, json!({"overlap": overlap}).to_string()).await
    };
    let response = rotate("1h").await;
    assert_eq!(response.status(), 201);
    let new: Value = response.json().await.unwrap();
    assert_eq!(
        (&new["farms"], &new["replaces"], &new["expires_at"]),
        (&json!(["north"]), &json!(id), &Value::Null)
    );
    let key = new["key"].as_str().unwrap();
    for key in [old.as_str(), key] {
        assert_eq!(api.get_with(key, "/v1/farms").await.status(), 200);
    }
    assert_eq!(rotate("0s").await.status(), 201);
    assert_eq!(
        api.get_with(&old, "/v1/farms").await.status(),
        401,
        "the overlap is over"
    );
    let (status, told) = problem(rotate("1h").await).await;
    assert_eq!(
        (status, &told["detail"]),
        (409, &json!(format!("key {id} is not valid any more")))
    );
    assert_eq!(rotate("91d").await.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_all_to_one_farm_makes_no_key_to_another() {
    let api = TestApi::start().await;
    let local = api.key(&[Scope::Admin], Some(&["north"])).await;
    let create = async |farms: Value| {
        let body = json!({"name": "x", "scopes": ["admin"], "farms": farms});
        let request = api.request(Method::POST, "/v1/keys").header("x-api-key", &local);
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(create(json!(["north"])).await, 201);
    assert_eq!(create(json!([])).await, 201);
    for more in [json!(["north", "south"]), json!(["south"]), Value::Null] {
        assert_eq!(create(more).await, 403);
    }
    assert_eq!(delete(&api, &local, "/v1/keys/1").await.status(), 404);
    let seen: Value = api.get_with(&local, "/v1/keys").await.json().await.unwrap();
    let ids: Vec<i64> = seen["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [2, 3, 4]);
}
