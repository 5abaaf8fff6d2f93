//! The kinds of requests that are measured.

use std::fmt;

use api::legacy::Minute;
use api::queries::readings::COLUMNS;
use bench::Target;
use clap::ValueEnum;
use stored::{Length, Of, Table};

use crate::args::Args;
use crate::http::request;
use crate::seed::LAST_DAY;
use crate::server::{FARM, KEY};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// Is anybody there: nothing but the way through the server.
    Ping,
    /// An empty write: the same, and a key.
    EmptyWrite,
    /// One measurement of the first system's kind, until Kafka has it.
    OnePost,
    /// A hundred readings in one request, until Kafka has them.
    BatchPost,
    /// A farm's turbines, each with its latest reading.
    LatestReadings,
    /// An hour of a farm's minutes.
    HourOfWindows,
    /// A day of the first system's minutes.
    DayOfMinutes,
    /// A year of a farm's days.
    YearOfDays,
    /// The same of one turbine.
    YearOfTurbine,
}

/// What a scenario is compared with.
pub(crate) struct Statements {
    pub(crate) text: String,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Scenario {
    /// The bytes of the request.
    pub(crate) fn request(self, args: &Args) -> Vec<u8> {
        let key = [("X-API-Key", KEY)];
        let get = |path: &str| request("GET", path, &key, b"");
        let post = |path: &str, body: &str| {
            request(
                "POST",
                path,
                &[key[0], ("Content-Type", "application/json")],
                body.as_bytes(),
            )
        };
        let year = format!(
            "resolution=1d&from={}&to={LAST_DAY}T23:59:59Z&limit=10000",
            first_day(args)
        );
        match self {
            Self::Ping => request("GET", "/ping", &[], b""),
            Self::EmptyWrite => {
                let token = format!("Token {KEY}");
                request("POST", "/api/v2/write", &[("Authorization", &token)], b"")
            }
            Self::OnePost => post(
                "/medidas",
                &format!(
                    r#"{{"generator_id":"P001","wind_speed":8.25,"wind_direction":270.5,"rotor_speed":12.5,"temperature":11.25,"timestamp":"{LAST_DAY}T10:00:00Z"}}"#
                ),
            ),
            Self::BatchPost => post("/v1/readings", &batch(100)),
            Self::LatestReadings => get(&format!("/v1/farms/{FARM}/turbines?limit=100")),
            Self::HourOfWindows => get(&format!(
                "/v1/farms/{FARM}/windows?resolution=1m&from={LAST_DAY}T10:00:00Z&to={LAST_DAY}T11:00:00Z"
            )),
            Self::DayOfMinutes => get(&format!("/agregados/minuto?from={LAST_DAY}T00:00:00Z")),
            Self::YearOfDays => get(&format!("/v1/farms/{FARM}/windows?{year}")),
            Self::YearOfTurbine => get(&format!("/v1/farms/{FARM}/turbines/T001/windows?{year}")),
        }
    }

    /// The same request to the floor, to be answered by so many bytes.
    pub(crate) fn floor_request(self, args: &Args, bytes: usize) -> Vec<u8> {
        let own = self.request(args);
        let line_end = own.iter().position(|&byte| byte == b'\r').unwrap_or(own.len());
        let method = if own.starts_with(b"POST") { "POST" } else { "GET" };
        let line = format!("{method} /{bytes} HTTP/1.1");
        [line.as_bytes(), &own[line_end..]].concat()
    }

    /// What the API asks PostgreSQL for one request, as long as that is what answers it.
    pub(crate) fn statements(self, args: &Args) -> Option<Statements> {
        const RANGE: &str = "SELECT first_event_time, last_event_time FROM farms WHERE farm_id = :farm;\n";
        let farm = || ("farm", FARM.to_owned());
        let at = |time: &str| format!("{LAST_DAY}T{time}Z");
        let table = Table::new(Of::Farm, Length::Minute);
        let minutes = |columns: &str, from: &str, to: &str, limit: &str| {
            format!(
                "SELECT {columns} FROM {} WHERE farm_id = :farm AND window_start >= :{from}::timestamptz \
                 AND window_start < :{to}::timestamptz ORDER BY window_start DESC LIMIT :{limit}::bigint;\n",
                table.name()
            )
        };
        match self {
            Self::LatestReadings => Some(Statements {
                text: format!(
                    "SELECT turbine_id, first_event_time, last_event_time FROM turbines \
                     WHERE farm_id = :farm ORDER BY turbine_id ASC LIMIT :rows::bigint;\n\
                     SELECT farm_id, turbine_id, {COLUMNS} \
                     FROM unnest(:turbines::text[], :times::timestamptz[]) AS latest (turbine, at) \
                     JOIN readings ON turbine_id = turbine AND event_time = at \
                     WHERE farm_id = :farm AND event_time >= :from::timestamptz AND event_time < :until::timestamptz;\n"
                ),
                variables: vec![
                    farm(),
                    ("rows", "101".to_owned()),
                    ("turbines", array(args, |turbine| format!("T{turbine:03}"))),
                    ("times", array(args, |_| at("23:59:59"))),
                    ("from", at("00:00:00")),
                    ("until", at("24:00:00")),
                ],
            }),
            Self::HourOfWindows => Some(Statements {
                text: format!(
                    "SELECT first_event_time, last_event_time, \
                     ARRAY(SELECT first_event_time FROM turbines WHERE turbines.farm_id = farms.farm_id) \
                     FROM farms WHERE farm_id = :farm;\n{}",
                    minutes(table.selection(), "from", "until", "rows")
                ),
                variables: vec![
                    farm(),
                    ("from", at("10:00:00")),
                    ("until", at("11:00:00")),
                    ("rows", "101".to_owned()),
                ],
            }),
            // a thousand at a time, as they are streamed
            Self::DayOfMinutes => Some(Statements {
                text: [
                    RANGE,
                    &minutes(&table.selection_of(&Minute::METRICS), "from", "until", "rows"),
                    &minutes(&table.selection_of(&Minute::METRICS), "from", "middle", "rows"),
                ]
                .concat(),
                variables: vec![
                    farm(),
                    ("from", at("00:00:00")),
                    ("middle", at("07:20:00")),
                    ("until", at("23:59:59")),
                    ("rows", "1001".to_owned()),
                ],
            }),
            Self::Ping
            | Self::EmptyWrite
            | Self::OnePost
            | Self::BatchPost
            | Self::YearOfDays
            | Self::YearOfTurbine => None,
        }
    }

    /// What its rate should be, of the floor's.
    pub(crate) const fn of_floor(self) -> Target {
        match self {
            Self::Ping | Self::EmptyWrite => Target::AtLeast(0.5),
            Self::OnePost
            | Self::BatchPost
            | Self::LatestReadings
            | Self::HourOfWindows
            | Self::DayOfMinutes
            | Self::YearOfDays
            | Self::YearOfTurbine => Target::None,
        }
    }

    /// How long a lone request may take, milliseconds.
    pub(crate) const fn most_ms(self) -> Option<f64> {
        match self {
            Self::DayOfMinutes => Some(50.0),
            Self::YearOfDays | Self::YearOfTurbine => Some(200.0),
            Self::Ping
            | Self::EmptyWrite
            | Self::OnePost
            | Self::BatchPost
            | Self::LatestReadings
            | Self::HourOfWindows => None,
        }
    }
}

fn first_day(args: &Args) -> String {
    let last = LAST_DAY.parse::<jiff::civil::Date>().expect("it is one");
    let first = last.saturating_sub(jiff::Span::new().days(i64::from(args.days) - 1));
    format!("{first}T00:00:00Z")
}

/// One item for each turbine, as an array of PostgreSQL.
fn array(args: &Args, item: impl Fn(u32) -> String) -> String {
    let items: Vec<_> = (1..=args.turbines).map(item).collect();
    format!("{{{}}}", items.join(","))
}

fn batch(readings: usize) -> String {
    let one = |n: usize| {
        format!(
            r#"{{"farm_id":"{FARM}","turbine_id":"P{:03}","event_time":"{LAST_DAY}T10:00:{:02}Z","sequence":{n},"wind_speed_mps":8.25,"wind_direction_deg":270.5,"active_power_kw":1520.75,"rotor_speed_rpm":12.5,"ambient_temperature_celsius":11.25}}"#,
            n % 10,
            n / 10
        )
    };
    let all: Vec<_> = (0..readings).map(one).collect();
    format!("[{}]", all.join(","))
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ping => "ping",
            Self::EmptyWrite => "a key and an empty write",
            Self::OnePost => "POST /medidas",
            Self::BatchPost => "POST of 100 readings",
            Self::LatestReadings => "latest readings of the farm",
            Self::HourOfWindows => "an hour of windows",
            Self::DayOfMinutes => "a day of /agregados/minuto",
            Self::YearOfDays => "a year of days, farm",
            Self::YearOfTurbine => "a year of days, turbine",
        })
    }
}
