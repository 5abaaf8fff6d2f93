//! The formats, line by line and over whole files.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may end by a panic, and says what it skips"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use domain::{Limits, Metric, TimeDelta, Timestamp, validate};
use expect_test::{Expect, expect};
use producer::replay::{Format, Lines, Overrides, Recording, Survey, parse_time_zone};

/// What becomes of each line of `text`, as a person would write it down.
#[track_caller]
fn check(format: Format, overrides: &Overrides, text: &str, expected: &Expect) {
    let mut shown = String::new();
    match Lines::new(text.as_bytes(), format, overrides) {
        Err(error) => shown = format!("{error:#}\n"),
        Ok(mut lines) => {
            while let Some(line) = lines.next_line().unwrap() {
                match line {
                    Err(error) => shown += &format!("{error}\n"),
                    Ok(reading) => {
                        shown += &format!(
                            "{} {} {}",
                            reading.farm_id, reading.turbine_id, reading.event_time
                        );
                        for (metric, value) in reading.metrics.iter() {
                            shown += &format!(" {}={value}", metric.name());
                        }
                        if let Some(sequence) = reading.sequence {
                            shown += &format!(" #{sequence}");
                        }
                        if let Some(status) = reading.operating_status {
                            shown += &format!(" {status}");
                        }
                        shown.push('\n');
                    }
                }
            }
        }
    }
    expected.assert_eq(&shown);
}

fn here(farm: &str, turbine: &str) -> Overrides {
    Overrides {
        farm_id: Some(farm.parse().unwrap()),
        turbine_id: Some(turbine.parse().unwrap()),
        time_zone: None,
    }
}

#[test]
fn t1_has_a_byte_order_mark_days_first_and_its_own_zone() {
    let header = "\u{feff}Date/Time,LV ActivePower (kW),Wind Speed (m/s),Theoretical_Power_Curve (KWh),Wind Direction (°)\r\n";
    let text = format!(
        "{header}02 01 2018 00:00,-2.5,5.3,416.3,259.99\r\n13 13 2018 00:00,1,1,1,1\r\n\
         02 01 2018 00:20,1,1\r\n02 01 2018 00:30,x,1,1,1\r\n\r\n02 01 2018 00:40,,,,\r\n02 01 2018 00:50,1,2,3,360\r\n"
    );
    check(
        Format::T1,
        &Overrides::default(),
        &text,
        &expect![[r#"
            t1 T1 2018-01-01T21:00:00Z wind_speed_mps=5.3 wind_direction_deg=259.99 active_power_kw=-2.5 theoretical_power_kw=416.3
            line 3: '13 13 2018 00:00' is no time such as '31 12 2018 23:50'
            line 4: 3 fields, the header has 5
            line 5: active_power_kw 'x' is no number
            line 7: no_metric: the line has no value at all
            t1 T1 2018-01-01T21:50:00Z wind_speed_mps=2 wind_direction_deg=360 active_power_kw=1 theoretical_power_kw=3
        "#]],
    );
    let utc = Overrides {
        time_zone: Some(parse_time_zone("UTC").unwrap()),
        ..here("izmir", "WT-1")
    };
    check(
        Format::T1,
        &utc,
        &format!("{header}02 01 2018 00:00,1,2,3,4\n"),
        &expect![[r#"
            izmir WT-1 2018-01-02T00:00:00Z wind_speed_mps=2 wind_direction_deg=4 active_power_kw=1 theoretical_power_kw=3
        "#]],
    );
}

#[test]
fn la_haute_borne_says_missing_in_two_ways_and_has_columns_that_we_do_not_read() {
    check(
        Format::LaHauteBorne,
        &Overrides::default(),
        "Wind_turbine_name;Date_time;Ba_avg;Ba_min;P_avg;Ws_avg;Ot_avg;Wa_avg\n\
         R80721;2014-03-30T01:50:00+01:00;44.98;1;-1.27;0.0;-273.2;89.76\n\
         R80721;2014-03-30T03:00:00+02:00;;;;5.5;12;\n\
         R80721;2014-03-30T03:10:00+02:00;;7;;;-273.2;\n\
         R80721;2014-03-30 03:20;;;;5.5;12;\n",
        &expect![[r#"
            la-haute-borne R80721 2014-03-30T00:50:00Z wind_speed_mps=0 wind_direction_deg=89.76 active_power_kw=-1.27 blade_pitch_deg=44.98
            la-haute-borne R80721 2014-03-30T01:00:00Z wind_speed_mps=5.5 ambient_temperature_celsius=12
            line 4: no_metric: the line has no value at all
            line 5: '2014-03-30 03:20' has no offset from UTC; --time-zone gives one to all such times
        "#]],
    );
}

#[test]
fn a_plain_csv_has_our_own_names() {
    check(
        Format::Csv,
        &Overrides::default(),
        "turbine_id,event_time,wind_speed_mps,operating_status,sequence,farm_id\n\
         WT1,2026-01-01T00:00:00.5Z, 80.5 ,FAULT,7,north\n\
         bad id,2026-01-01T00:00:01Z,NaN,,,north\n\
         WT1,2026-01-01T00:00:02Z,1,ASLEEP,,north\n\
         WT1,2026-01-01T00:00:03Z,1,,1.5,north\n\
         \"WT,1\",2026-01-01T00:00:04Z,1,,,north\n",
        &expect![[r#"
            north WT1 2026-01-01T00:00:00.5Z wind_speed_mps=80.5 #7 FAULT
            north bad id 2026-01-01T00:00:01Z wind_speed_mps=NaN
            line 4: operating_status: 'ASLEEP' is not an operating status
            line 5: sequence '1.5' is no whole number
            north WT,1 2026-01-01T00:00:04Z wind_speed_mps=1
        "#]],
    );
}

#[test]
fn headings_that_do_not_fit_are_named() {
    let none = Overrides::default();
    check(
        Format::Csv,
        &none,
        "event_time,windspeed\n",
        &expect![[r#"
            there is no column 'windspeed' in this format, known are event_time, farm_id, turbine_id, sequence, operating_status, wind_speed_mps, wind_direction_deg, active_power_kw, theoretical_power_kw, rotor_speed_rpm, blade_pitch_deg, nacelle_direction_deg, ambient_temperature_celsius
        "#]],
    );
    check(
        Format::Csv,
        &none,
        "event_time,wind_speed_mps,wind_speed_mps\n",
        &expect![[r#"
            the column 'wind_speed_mps' is there twice
        "#]],
    );
    check(
        Format::Csv,
        &none,
        "event_time,wind_speed_mps\n",
        &expect![[r#"
            there is no column farm_id; --farm-id does instead of it, found are event_time, wind_speed_mps
        "#]],
    );
    check(
        Format::LaHauteBorne,
        &none,
        "a,b\n",
        &expect![[r#"
            there is no column of the event time, found are a, b
        "#]],
    );
    check(
        Format::Csv,
        &here("f", "t"),
        "event_time,wind_speed_mps\n2026-01-01T00:00:00Z,1\n",
        &expect![[r#"
            f t 2026-01-01T00:00:00Z wind_speed_mps=1
        "#]],
    );
}

#[test]
fn a_line_that_is_no_utf8_is_one_bad_line() {
    let mut bytes = b"event_time,wind_speed_mps\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,".to_vec();
    bytes.extend_from_slice(b"\xff\xfe\n2026-01-01T00:00:02Z,3\n");
    let mut lines = Lines::new(&bytes[..], Format::Csv, &here("f", "t")).unwrap();
    assert!(lines.next_line().unwrap().unwrap().is_ok());
    let error = lines.next_line().unwrap().unwrap().unwrap_err();
    assert_eq!(error.line, 3);
    assert!(error.reason.starts_with("is no UTF-8"), "{}", error.reason);
    assert!(lines.next_line().unwrap().unwrap().is_ok());
    assert!(lines.next_line().unwrap().is_none());
}

/// What is to be known of a whole file.
#[derive(Debug, PartialEq)]
struct Census {
    readings: usize,
    refused: usize,
    broken_rules: usize,
    doubled: usize,
    negative_power: usize,
    power_sum_kw: f64,
}

fn census(recording: &Recording) -> Census {
    let mut census = Census {
        readings: 0,
        refused: 0,
        broken_rules: 0,
        doubled: 0,
        negative_power: 0,
        power_sum_kw: 0.0,
    };
    let mut seen: BTreeSet<(String, Timestamp)> = BTreeSet::new();
    let mut lines = recording.open().unwrap();
    while let Some(line) = lines.next_line().unwrap() {
        let Ok(reading) = line else {
            census.refused += 1;
            continue;
        };
        census.readings += 1;
        let power_kw = reading.metrics.get(Metric::ActivePower).unwrap_or(0.0);
        census.negative_power += usize::from(power_kw < 0.0);
        census.power_sum_kw += power_kw;
        census.doubled += usize::from(!seen.insert((reading.turbine_id.to_string(), reading.event_time)));
        let appended_at = reading.event_time;
        census.broken_rules += usize::from(validate(reading, appended_at, &Limits::default()).is_err());
    }
    census
}

fn recording(path: PathBuf, format: Format) -> Recording {
    Recording {
        path,
        format,
        overrides: Overrides::default(),
    }
}

/// The data that the project may not contain lies beside it, or where `VELETA_TEST_DATA` says.
fn test_data(name: &str) -> Option<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder =
        std::env::var_os("VELETA_TEST_DATA").map_or_else(|| workspace.join("../shared/data"), PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn t1_is_accepted_whole() {
    let Some(path) = test_data("T1.csv") else { return };
    let recording = recording(path, Format::T1);
    let census = census(&recording);
    assert_eq!(
        (census.readings, census.refused, census.broken_rules),
        (50_530, 0, 0)
    );
    assert_eq!((census.negative_power, census.doubled), (57, 0));
    assert_eq!(format!("{:.2}", census.power_sum_kw / 6_000.0), "11012.88");

    let survey = Survey::of(&recording).unwrap().unwrap();
    assert_eq!(survey.earliest.to_string(), "2017-12-31T21:00:00Z");
    assert_eq!(survey.latest.to_string(), "2018-12-31T20:50:00Z");
    assert_eq!(survey.interval, TimeDelta::from_secs(600));
}

#[test]
fn the_sample_of_la_haute_borne_has_24_doubled_slots() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/la_haute_borne_sample.csv");
    let census = census(&recording(path, Format::LaHauteBorne));
    assert_eq!(
        (census.readings, census.refused, census.broken_rules),
        (3_456, 0, 0)
    );
    assert_eq!(census.doubled, 24);
}
