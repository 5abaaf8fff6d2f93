//! Whether `/openapi.json` is a good document, and whether the server does what it says: for both there are tools of
//! other people, in Python.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use tokio::process::Command;

use crate::app::TestApi;
use crate::fixtures;

/// How long schemathesis may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Numbers of keys begin there, so that none that schemathesis thinks of is its own.
const FIRST_KEY: i64 = 73_400_321;

/// The interpreter that has the tools, which `cargo xtask test` tells.
fn python() -> OsString {
    std::env::var_os("VELETA_SPECIFICATION_PYTHON")
        .expect("`cargo xtask test` sets VELETA_SPECIFICATION_PYTHON")
}

/// What it says goes the way of the test's own output.
async fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .expect("it ends in time")
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_a_valid_one() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("openapi.json");
    std::fs::write(&document, api::openapi_document().to_json().unwrap()).unwrap();
    let mut command = Command::new(python());
    run(command
        .args(["-m", "openapi_spec_validator", "--errors", "all"])
        .arg(&document))
    .await;
}

/// `tests/schemathesis` says how much is tried, and what OpenAPI cannot tell of parameters that hang together.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_what_its_document_promises() {
    let mut api = TestApi::start_ready().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    fixtures::dead_letters(&api.database).await;
    let renumber = format!("ALTER TABLE api_keys ALTER COLUMN id RESTART WITH {FIRST_KEY}");
    fixtures::run(&api.database, &renumber).await;
    api.key = api.key(&[api::auth::Scope::Admin], None).await;

    let folder = tempfile::tempdir().unwrap();
    let settings = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis");
    for name in ["schemathesis.toml", "hooks.py"] {
        std::fs::copy(settings.join(name), folder.path().join(name)).unwrap();
    }
    let mut command = Command::new(python());
    command
        .args(["-m", "schemathesis.cli", "--no-color", "run"])
        .arg(format!("http://{}/openapi.json", api.address()))
        .args(["--header", &format!("X-API-Key: {}", api.key)])
        .current_dir(folder.path())
        .env("PYTHONPATH", folder.path())
        .env("OWN_KEY_ID", FIRST_KEY.to_string());
    run(&mut command).await;
    let alive = api.get("/v1/farms").await;
    assert_eq!(
        alive.status(),
        200,
        "nobody has revoked the key that all of it was done with"
    );
    let health = api.request(Method::GET, "/health").send().await.unwrap();
    assert_eq!(health.status(), 200);
}
