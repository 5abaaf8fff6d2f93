//! `api key create|list|revoke`, as a person types it.

use std::process::{Command, Output};

use testkit::eventually;

use crate::app::{PATIENCE, TestApi};

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
