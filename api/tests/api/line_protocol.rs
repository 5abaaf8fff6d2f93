//! InfluxDB's line protocol, as its clients send it.

use std::process::Command;

use api::auth::Scope;
use domain::Metric;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::{PATIENCE, TestApi};
use crate::ingestion::gzip;

const LINES: &str = "wind_turbine,location=site1 LV_ActivePower_kW=380.04,Wind_Speed_ms=5.31,\
     Theoretical_Power_Curve_KWh=416.3,Wind_Direction_degrees=259.9 1795428000\n\
     reading,farm_id=north,turbine_id=T7 wind_speed_mps=8.5,sequence=7i 1795428001\n";

async fn write(api: &TestApi, path: &str, authorization: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = api
        .request(Method::POST, path)
        .header("authorization", authorization);
    request.body(body).send().await.unwrap()
}

/// The readings that are on Kafka: farm, turbine, seconds, wind speed.
fn stored(api: &TestApi) -> Vec<(String, String, i64, Option<f64>)> {
    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let records = testkit::committed_records(&kafka, &topics.readings);
    let mut stored: Vec<_> = records
        .iter()
        .map(|record| {
            let (_, body) = avro::wire::split(&record.payload).unwrap();
            let reading = avro::decode_reading(body).unwrap();
            assert_eq!(record.key, reading.farm_id.as_bytes());
            (
                reading.farm_id.to_string(),
                reading.turbine_id.to_string(),
                reading.event_time.as_millis() / 1_000,
                reading.metrics.get(Metric::WindSpeed),
            )
        })
        .collect();
    stored.sort_by(|a, b| (&a.0, &a.1, a.2).cmp(&(&b.0, &b.1, b.2)));
    stored
}

async fn succeed(mut client: Command) {
    let ended = tokio::task::spawn_blocking(move || client.output());
    let ended = ended.await.unwrap().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_written_by_either_version_and_whatever_way_the_key_comes() {
    let api = TestApi::start_ready().await;
    let (token, key) = (format!("Token {}", api.key), &api.key);
    let path = "/api/v2/write?org=o&bucket=b&precision=s";
    assert_eq!(write(&api, path, &token, LINES).await.status(), 204);
    let line =
        |turbine: &str| format!("reading,farm_id=north,turbine_id={turbine} wind_speed_mps=1 1795428000000");
    let basic = api
        .request(Method::POST, "/write?db=x&precision=ms")
        .basic_auth("anybody", Some(key));
    assert_eq!(basic.body(line("B")).send().await.unwrap().status(), 204);
    let query = format!("/write?db=x&precision=ms&u=anybody&p={key}");
    let query = api.request(Method::POST, &query).body(line("Q"));
    assert_eq!(query.send().await.unwrap().status(), 204);
    let packed = api
        .request(Method::POST, "/api/v2/write?precision=ms")
        .header("authorization", &token)
        .header("content-encoding", "gzip");
    let packed = packed.body(gzip(line("Z").as_bytes())).send().await.unwrap();
    assert_eq!(packed.status(), 204);

    let reading = |farm: &str, turbine: &str, second: i64, speed: f64| {
        (
            farm.to_owned(),
            turbine.to_owned(),
            1_795_428_000 + second,
            Some(speed),
        )
    };
    assert_eq!(
        stored(&api),
        [
            reading("north", "B", 0, 1.0),
            reading("north", "Q", 0, 1.0),
            reading("north", "T7", 1, 8.5),
            reading("north", "Z", 0, 1.0),
            reading("site1", "T1", 0, 5.31)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_good_is_written_and_what_is_not_is_named_and_kept() {
    let api = TestApi::start_ready().await;
    let token = format!("Token {}", api.key);
    let bad = "reading,farm_id=north,turbine_id=T8 wind_speed_mps=80 1795428000";
    let body = format!("{LINES}{bad}\ncpu usage=1\n");
    let response = write(&api, "/api/v2/write?precision=s", &token, body.clone()).await;
    assert_eq!(response.status(), 400);
    let told: Value = response.json().await.unwrap();
    assert_eq!(
        told,
        json!({"code": "invalid", "line": 3,
               "message": "partial write: line 3: wind_speed_mps is 80, allowed is [0, 75]; line 4: measurement 'cpu' has \
                           no table, wanted is one of reading, wind_turbine; dropped=2"})
    );
    let response = write(&api, "/write?precision=s", &token, body).await;
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.headers()["x-influxdb-error"],
        told["message"].as_str().unwrap()
    );
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({"error": told["message"]})
    );

    assert_eq!(stored(&api).len(), 4, "two of each");
    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let letters = testkit::committed_records(&kafka, &topics.dead_letters);
    assert_eq!(letters.len(), 4);
    let letter = letters
        .iter()
        .find(|letter| letter.payload == bad.as_bytes())
        .unwrap();
    assert_eq!(letter.key, b"north");
    assert_eq!(letter.headers["dlq.rule"], "wind_speed_mps");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_write_is_told_in_influxdbs_words() {
    let api = TestApi::start_ready().await;
    let writer = format!("Token {}", api.key(&[Scope::Write], Some(&["north"])).await);
    let reader = format!("Token {}", api.key(&[Scope::Read], None).await);
    for (authorization, path, status, told) in [
        (
            "Token vel_unknown",
            "/api/v2/write",
            401,
            json!({"code": "unauthorized", "message": "unauthorized access"}),
        ),
        ("", "/write", 401, json!({"error": "unauthorized access"})),
        (
            &reader,
            "/api/v2/write",
            403,
            json!({"code": "forbidden", "message": "the key lacks the scope 'write'"}),
        ),
        (
            &writer,
            "/api/v2/write?precision=s",
            403,
            json!({"code": "forbidden", "message": "the key does not open farm 'site1'"}),
        ),
        (
            &writer,
            "/api/v2/write?precision=h",
            400,
            json!({"code": "invalid", "message": "invalid precision; valid precision units are ns, us, ms, and s"}),
        ),
    ] {
        let response = write(&api, path, authorization, LINES).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.json::<Value>().await.unwrap(), told);
    }
    assert!(stored(&api).is_empty(), "all or nothing, where a farm is closed");
}

/// What `tests/clients/influxdb.py` does: pings, asks for health, writes one by one, packed and in batches, and is told
/// of mistakes in a way that it understands.
#[tokio::test(flavor = "multi_thread")]
async fn influxdbs_own_client_for_python_writes_unchanged() {
    let api = TestApi::start_ready().await;
    let python = std::env::var_os("VELETA_CLIENTS_PYTHON")
        .expect("`cargo xtask test` fetches the client and says where it is");
    let mut client = Command::new(python);
    client
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/influxdb.py"))
        .arg(format!("http://{}", api.address()))
        .arg(&api.key);
    succeed(client).await;

    let stored = stored(&api);
    let of = |turbine: &str| {
        let readings = stored.iter().filter(|(_, of, ..)| of == turbine);
        readings
            .map(|(_, _, time, _)| time - 1_795_428_000)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("plain"), (0..13).collect::<Vec<_>>());
    assert_eq!(of("packed"), (0..13).collect::<Vec<_>>());
    assert_eq!(of("batched"), (0..1_000).collect::<Vec<_>>());
    assert_eq!(of("judged"), [0]);
    assert_eq!(stored.len(), 2 * 13 + 1_000 + 1);
}

/// What the output `influxdb_v2` of Telegraf 1.37.2 sends, byte for byte, but for the key.
#[tokio::test(flavor = "multi_thread")]
async fn what_telegraf_sends_is_written() {
    let api = TestApi::start_ready().await;
    let lines = include_bytes!("../clients/telegraf.lines.gz");
    let mut connection = api.connect().await;
    let head = format!(
        "POST /api/v2/write?bucket=readings&org=windpark HTTP/1.1\r\nHost: {}\r\n\
         User-Agent: Telegraf/1.37.2 Go/1.26.8\r\nTransfer-Encoding: chunked\r\nAuthorization: Token {}\r\n\
         Content-Encoding: gzip\r\nContent-Type: text/plain; charset=utf-8\r\nAccept-Encoding: gzip\r\n\r\n{:x}\r\n",
        api.address(),
        api.key,
        lines.len()
    );
    for bytes in [head.as_bytes(), lines, b"\r\n0\r\n\r\n"] {
        connection.write_all(bytes).await.unwrap();
    }
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 204");
    let farms: Vec<_> = stored(&api)
        .into_iter()
        .map(|(farm, turbine, ..)| (farm, turbine))
        .collect();
    let named = |farm: &str, turbine: &str| (farm.to_owned(), turbine.to_owned());
    assert_eq!(farms, [named("north", "T7"), named("site1", "T1")]);
}

/// Telegraf itself, where `VELETA_TELEGRAF` says that there is one: Debian has no package of it.
#[tokio::test(flavor = "multi_thread")]
async fn telegraf_itself_writes_where_there_is_one() {
    let Some(telegraf) = std::env::var_os("VELETA_TELEGRAF") else {
        println!("skipped: VELETA_TELEGRAF names no Telegraf");
        return;
    };
    let api = TestApi::start_ready().await;
    let folder = tempfile::tempdir().unwrap();
    let (lines, settings) = (folder.path().join("lines"), folder.path().join("telegraf.conf"));
    std::fs::write(
        &lines,
        LINES
            .replace("1795428000", "1795428000000000000")
            .replace("1795428001", "1795428001000000000"),
    )
    .unwrap();
    let text = format!(
        "[agent]\nomit_hostname = true\nskip_processors_after_aggregators = true\n\
         [[outputs.influxdb_v2]]\nurls = [\"http://{}\"]\ntoken = \"{}\"\norganization = \"o\"\nbucket = \"b\"\n\
         [[inputs.file]]\nfiles = [\"{}\"]\ndata_format = \"influx\"\n",
        api.address(),
        api.key,
        lines.display()
    );
    std::fs::write(&settings, text).unwrap();
    let mut command = Command::new(telegraf);
    command.arg("--config").arg(&settings).arg("--once");
    succeed(command).await;
    assert_eq!(stored(&api).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_ones_own_says_what_names_mean() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let table = json!({"scada": {"farm": {"default": "hill"}, "turbine": {"tag": "unit"},
                                 "fields": {"ws": "wind_speed_mps", "*": null}}});
    std::fs::write(file.path(), table.to_string()).unwrap();
    let api = TestApi::start_with(|args| args.api.line_protocol_map = Some(file.path().to_owned())).await;
    api.ready().await;
    let body = "scada,unit=7 ws=8.5,noise=\"x\" 1795428000";
    let response = write(
        &api,
        "/api/v2/write?precision=s",
        &format!("Token {}", api.key),
        body,
    )
    .await;
    assert_eq!(response.status(), 204);
    assert_eq!(
        stored(&api),
        [("hill".to_owned(), "7".to_owned(), 1_795_428_000, Some(8.5))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_somebody_and_writes_would_be_taken() {
    let api = TestApi::start_ready().await;
    for method in [Method::GET, Method::HEAD] {
        let response = api.request(method, "/ping").send().await.unwrap();
        assert_eq!(response.status(), 204);
        assert!(response.headers().contains_key("x-influxdb-version"));
    }
    let response = api.request(Method::GET, "/health").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let told: Value = response.json().await.unwrap();
    assert_eq!(
        (&told["status"], &told["message"]),
        (&json!("pass"), &json!("ready for writes"))
    );

    let kafka = api.health.component("kafka");
    kafka.not_ready("secret");
    let told = eventually("it says what is not ready", PATIENCE, || async {
        let response = api.request(Method::GET, "/health").send().await.unwrap();
        (response.status() == 503).then_some(response)
    })
    .await;
    let told: Value = told.json().await.unwrap();
    assert_eq!(
        (&told["status"], &told["message"]),
        (&json!("fail"), &json!("not ready: kafka"))
    );
}
