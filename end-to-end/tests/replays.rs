//! Files of real turbines, to the last reading.

use std::path::Path;

use end_to_end::{System, private_data};

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_one_turbine_is_there_to_the_last_reading() {
    let Some(file) = private_data("T1.csv") else {
        return;
    };
    let system = System::new().await;
    let (_aggregator, _sink) = (system.start_aggregator(), system.start_sink());
    system.produce(&[
        "replay",
        file.to_str().unwrap(),
        "--format",
        "t1",
        "--speedup",
        "max",
    ]);
    system.verify();

    assert_eq!(
        system.figure("SELECT count(*)::float8 FROM readings").await,
        50_530.0
    );
    assert_eq!(
        system.figure("SELECT count(*)::float8 FROM dead_letters").await,
        0.0
    );
    assert_eq!(
        system
            .figure("SELECT count(*)::float8 FROM readings WHERE active_power_kw < 0")
            .await,
        57.0
    );
    let energy_mwh = system
        .figure("SELECT sum(active_power_kw) / 6000 FROM readings")
        .await;
    assert_eq!(format!("{energy_mwh:.2}"), "11012.88");
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_slots_of_a_clock_change_are_duplicates_of_which_the_first_wins() {
    let system = System::new().await;
    let (_aggregator, _sink) = (system.start_aggregator(), system.start_sink());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../producer/data/la_haute_borne_sample.csv");
    let output = system.produce(&["replay", file.to_str().unwrap(), "--format", "la-haute-borne"]);
    system.verify();

    let stored = system.figure("SELECT count(*)::float8 FROM readings").await;
    let duplicates = system.figure("SELECT sum(count)::float8 FROM duplicates").await;
    let dead_letters = system.figure("SELECT count(*)::float8 FROM dead_letters").await;
    assert_eq!(duplicates, 24.0);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = |what: &str| number_behind(&summary, what);
    assert_eq!(
        told("read"),
        stored + duplicates + dead_letters + told("refused"),
        "{summary}"
    );
}

/// The number behind the word `what`.
fn number_behind(summary: &str, what: &str) -> f64 {
    let mut words = summary
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty());
    let number = words.find(|word| *word == what).and_then(|_| words.next());
    let number = number.unwrap_or_else(|| panic!("no '{what}' in: {summary}"));
    number
        .parse()
        .unwrap_or_else(|_| panic!("no number behind '{what}' in: {summary}"))
}
