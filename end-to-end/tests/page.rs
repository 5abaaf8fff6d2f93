//! The live page in a real browser, over the whole pipeline.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use end_to_end::{API_KEY, System};
use testkit::Program;

/// How long the whole visit may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Everything that can go wrong with a reading.
const FAULTS: &str =
    "duplicate=0.004,late=0.001,clock-ahead=0.001,stuck=0.002,missing=0.0004,undecodable=0.001";

/// `dashboard/test/page.mjs` is the visitor; `VELETA_SCREENSHOTS` names a folder for its pictures.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_watches_a_farm() {
    let system = System::new().await;
    let (_aggregator, _sink, _api) = (
        system.start_aggregator(),
        system.start_sink(),
        system.start_api().await,
    );
    // six hours of farm-1, with a pause in which nobody reported
    for (from_min, length) in [(360, "215m"), (128, "128m")] {
        system.produce(&[
            "simulate",
            "--start",
            &minutes_ago(from_min),
            "--duration",
            length,
            "--interval",
            "10s",
            "--speedup",
            "max",
            "--error-probability",
            "0.0005",
            "--faults",
            FAULTS,
        ]);
    }
    let _live = system.start_producer(&["simulate"]);
    let _hasty = system.start_producer(&[
        "simulate",
        "--farm-id",
        "farm-2",
        "--start",
        &minutes_ago(45),
        "--speedup",
        "30",
        "--turbines",
        "3",
    ]);
    system
        .wait_for_figure(
            "SELECT count(*)::float8 FROM farm_windows WHERE farm_id = 'farm-1'",
            330.0,
        )
        .await;
    system
        .wait_for_figure("SELECT count(*)::float8 FROM farms", 2.0)
        .await;
    visit(&system);
}

fn visit(system: &System) {
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard");
    let mut command = Command::new("node");
    command
        .arg("test/page.mjs")
        .current_dir(&dashboard)
        .env("API_URL", &system.api_url)
        .env("API_KEY", API_KEY)
        .stdin(Stdio::null());
    if let Some(folder) = std::env::var_os("VELETA_SCREENSHOTS") {
        command.env("SHOTS", folder);
    }
    let status = Program::start(&mut command).wait(PATIENCE);
    assert!(status.success(), "the visitor was not content");
}

/// RFC 3339.
fn minutes_ago(minutes: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    let micros = i64::try_from((now - Duration::from_secs(60 * minutes)).as_micros()).expect("it fits");
    Timestamp::from_micros(micros).to_string()
}
