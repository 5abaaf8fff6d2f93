//! From turbines to answers.

use end_to_end::System;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::eventually;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn turbines_turn_into_minutes_that_name_the_turbine_behind_every_extreme() {
    let system = System::new().await;
    let (_aggregator, _sink, _api) = (
        system.start_aggregator(),
        system.start_sink(),
        system.start_api().await,
    );
    system.produce(&[
        "simulate",
        "--turbines",
        "10",
        "--duration",
        "5m",
        "--speedup",
        "60",
    ]);

    let path = "/v1/farms/farm-1/windows?resolution=1m";
    let windows = eventually("five closed minutes", 2 * MINUTE, || async {
        system
            .get(path)
            .await
            .filter(|page| page["items"].as_array().is_some_and(|items| items.len() >= 5))
    })
    .await;
    for window in windows["items"].as_array().unwrap() {
        for metric in window["metrics"].as_object().unwrap().values() {
            for end in ["min", "max"] {
                let turbine = metric[end]["turbine_id"].as_str().unwrap();
                assert!(turbine.starts_with('T'), "{metric}");
            }
        }
    }
    let full = windows["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|window| window["reading_count"] == 600);
    assert_eq!(
        full.map(|window| &window["turbine_count"]),
        Some(&json!(10)),
        "{windows}"
    );
    system.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_become_dead_letters_that_say_what_was_wrong() {
    let system = System::new().await;
    let (_aggregator, _sink, _api) = (
        system.start_aggregator(),
        system.start_sink(),
        system.start_api().await,
    );
    system.produce(&[
        "simulate",
        "--error-probability",
        "0.2",
        "--duration",
        "5m",
        "--speedup",
        "60",
    ]);
    system.verify();

    let letters = system
        .get("/v1/dead-letters?limit=1000")
        .await
        .expect("the API answers");
    let letters = letters["items"].as_array().unwrap();
    // each of 3,000 readings stays whole with probability 0.8^8 only
    assert_eq!(letters.len(), 1_000);
    for letter in letters {
        for part in ["rule", "field", "value", "bound", "reason"] {
            assert!(
                letter[part].as_str().is_some_and(|text| !text.is_empty()),
                "{part}: {letter}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_fault_is_accounted_for() {
    let system = System::new().await;
    let (_aggregator, _sink) = (system.start_aggregator(), system.start_sink());
    let faults = "duplicate=0.02,late=0.01,clock-ahead=0.01,stuck=0.01,missing=0.01,undecodable=0.01";
    let arguments = [
        "simulate",
        "--farms",
        "3",
        "--duration",
        "10m",
        "--speedup",
        "60",
        "--faults",
        faults,
    ];
    system.produce(&arguments);
    system.verify();

    assert!(system.figure("SELECT sum(count)::float8 FROM duplicates").await > 0.0);
    for rule in ["event_time_ahead", "undecodable"] {
        let count = match rule {
            "undecodable" => {
                system
                    .figure("SELECT count(*)::float8 FROM dead_letters WHERE rule = 'undecodable'")
                    .await
            }
            _ => {
                system
                    .figure("SELECT count(*)::float8 FROM dead_letters WHERE rule = 'event_time_ahead'")
                    .await
            }
        };
        assert!(count > 0.0, "{rule}");
    }
    system
        .wait_for_figure(
            "SELECT count(*)::float8 FROM farm_windows WHERE revision > 0",
            1.0,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generator_of_the_first_system_goes_on_working() {
    let system = System::new().await;
    let (_aggregator, _sink, _api) = (
        system.start_aggregator(),
        system.start_sink(),
        system.start_api().await,
    );
    let measured = |generator: &str, wind_speed: f64| {
        json!({
            "generator_id": generator, "wind_speed": wind_speed, "wind_direction": 350.0, "rotor_speed": 12.5,
            "temperature": 15.0, "timestamp": "2025-03-30T03:10:30+02:00"
        })
    };
    for (generator, wind_speed) in [("gen-1", 7.5), ("gen-2", 9.25)] {
        let (status, answer) = system.post("/medidas", &measured(generator, wind_speed)).await;
        assert_eq!((status, &answer["status"]), (200, &json!("success")), "{answer}");
        assert_eq!(answer["data"]["generator_id"], generator);
    }
    let (status, answer) = system.post("/medidas", &measured("gen-1", -1.0)).await;
    assert_eq!(
        (status, &answer["detail"][0]["loc"]),
        (422, &json!(["body", "wind_speed"])),
        "{answer}"
    );

    let minutes = eventually("the quiet farm's minute closes", 2 * MINUTE, || async {
        system
            .get("/agregados/minuto")
            .await
            .filter(|minutes: &Value| minutes.as_array().is_some_and(|m| !m.is_empty()))
    })
    .await;
    let minute = &minutes[0];
    // the hour that Madrid skips: 02:10 of winter time is 03:10 of summer time
    assert_eq!(minute["minute"], "2025-03-30T03:10:00+02:00");
    assert_eq!(
        minute["wind_speed"]["max"],
        json!({"value": 9.25, "generator": "gen-2"})
    );
    assert_eq!(
        minute["wind_speed"]["min"],
        json!({"value": 7.5, "generator": "gen-1"})
    );
    system.verify();
}
