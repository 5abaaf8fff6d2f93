//! What is the same of all answers: how often one may ask, what their heads say, how they are packed, and whether one
//! has them already.

use api::auth::Scope;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::app::{TestApi, problem};
use crate::fixtures;

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// A key that may do everything, so many times a second.
async fn limited_key(api: &TestApi, per_second: u32) -> String {
    let key = json!({"name": "hasty", "scopes": ["admin"], "rate_limit_per_second": per_second});
    let created = api.post("/v1/keys", key.to_string()).await;
    let created: Value = created.json().await.unwrap();
    created["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_so_many_requests_a_second() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    let key = limited_key(&api, 3).await;
    // in one go, and so within the second also on a slow machine
    let hasty: Vec<_> = (0..30).map(|_| api.get_with(&key, "/v1/farms")).collect();
    let answers = futures_util::future::join_all(hasty).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status() == 200);
    assert!(
        taken.len() >= 3 && !refused.is_empty(),
        "{} were taken",
        taken.len()
    );
    for answer in &taken {
        assert_eq!(header(answer, "ratelimit-policy"), Some("\"key\";q=3;w=1"));
        assert!(header(answer, "ratelimit").unwrap().starts_with("\"key\";r="));
    }
    for answer in refused {
        assert_eq!(header(&answer, "ratelimit"), Some("\"key\";r=0;t=1"));
        assert_eq!(header(&answer, "ratelimit-policy"), Some("\"key\";q=3;w=1"));
        assert_eq!(header(&answer, "retry-after"), Some("1"));
        let (status, told) = problem(answer).await;
        assert_eq!(
            (status, &told["type"]),
            (429, &json!("urn:veleta:problem:rate-limited"))
        );
        assert_eq!(told["detail"], "this key is good for 3 requests a second");
    }
    // another key is another count, and one without a limit has none
    let free = api.get("/v1/farms").await;
    assert_eq!((free.status().as_u16(), header(&free, "ratelimit")), (200, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_of_old_clients_have_the_same_limit_in_their_own_words() {
    let api = TestApi::start_with(|args| args.api.rate_limit = Some(1)).await;
    let ask = async |method: &Method, path: &str| {
        let ask = || {
            let request = api.request(method.clone(), path).header("x-api-key", &api.key);
            request.body("nothing").send()
        };
        let answers = futures_util::future::join_all((0..20).map(|_| ask())).await;
        let refused = answers
            .into_iter()
            .map(Result::unwrap)
            .find(|answer| answer.status() == 429);
        let refused = refused.unwrap();
        assert_eq!(header(&refused, "retry-after"), Some("1"));
        assert_eq!(header(&refused, "ratelimit"), Some("\"key\";r=0;t=1"));
        refused.json::<Value>().await.unwrap()
    };
    assert_eq!(
        ask(&Method::GET, "/generadores").await,
        json!({"detail": "Too Many Requests"})
    );
    assert_eq!(
        ask(&Method::POST, "/api/v2/write").await,
        json!({"code": "too many requests", "message": "this key is good for 1 requests a second"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_may_be_done_with_it() {
    let api = TestApi::start().await;
    let nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    for (path, key, policy, cache) in [
        ("/v1/farms", Some(&api.key), nothing, Some("private, no-cache")),
        ("/v1/farms", None, nothing, Some("no-store")),
        ("/v1/nothing", Some(&api.key), nothing, Some("no-store")),
        ("/nothing", None, nothing, Some("no-store")),
        ("/generadores", Some(&api.key), nothing, Some("no-store")),
        (
            "/",
            None,
            "default-src 'none'; script-src 'self'",
            Some("no-cache"),
        ),
        ("/docs/", None, "default-src 'none'; script-src 'self'", None),
    ] {
        let mut request = api.request(Method::GET, path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let answer = request.send().await.unwrap();
        let told = header(&answer, "content-security-policy").unwrap();
        assert!(
            told.starts_with(policy) && !told.contains("script-src 'unsafe"),
            "{path}: {told}"
        );
        assert!(told.contains("frame-ancestors 'none'"), "{path}: {told}");
        assert_eq!(
            header(&answer, "x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(header(&answer, "x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header(&answer, "cache-control"), cache, "{path}");
        assert_eq!(header(&answer, "strict-transport-security"), None, "not by TLS");
        assert!(header(&answer, "x-request-id").is_some(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_origins_that_are_set_may_ask() {
    let origin = "https://wind.example";
    let api = TestApi::start_with(|args| args.api.cors_origins = vec![origin.parse().unwrap()]).await;
    let preflight = async |api: &TestApi, origin: &str| {
        let request = api
            .request(Method::OPTIONS, "/v1/keys/1")
            .header("origin", origin);
        let request = request.header("access-control-request-method", "DELETE");
        let request = request.header("access-control-request-headers", "x-api-key,content-type");
        request.send().await.unwrap()
    };
    let allowed = preflight(&api, origin).await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(header(&allowed, "access-control-allow-origin"), Some(origin));
    assert!(
        header(&allowed, "access-control-allow-headers")
            .unwrap()
            .contains("x-api-key")
    );
    assert!(
        header(&allowed, "access-control-allow-methods")
            .unwrap()
            .contains("DELETE")
    );
    assert_eq!(header(&allowed, "access-control-allow-credentials"), None);
    let stranger = preflight(&api, "https://evil.example").await;
    assert_eq!(header(&stranger, "access-control-allow-origin"), None);

    // and failures can be read by the page too
    for (key, status) in [(api.key.as_str(), 200), ("vel_unknown", 401)] {
        let request = api.request(Method::GET, "/v1/farms").header("origin", origin);
        let answer = request.header("x-api-key", key).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(origin));
        assert!(
            header(&answer, "access-control-expose-headers")
                .unwrap()
                .contains("etag")
        );
    }

    let closed = TestApi::start().await;
    let answer = preflight(&closed, origin).await;
    assert_eq!(
        header(&answer, "access-control-allow-origin"),
        None,
        "off unless it is set"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_packed_as_the_client_likes() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    let path = "/v1/farms/north/turbines/T1/readings";
    let plain = api.get(path).await;
    assert_eq!(header(&plain, "content-encoding"), None);
    let plain = plain.bytes().await.unwrap();
    for encoding in ["gzip", "br", "zstd"] {
        for query in ["", "?format=csv"] {
            let request = api.request(Method::GET, &format!("{path}{query}"));
            let request = request
                .header("x-api-key", &api.key)
                .header("accept-encoding", encoding);
            let packed = request.send().await.unwrap();
            assert_eq!(header(&packed, "content-encoding"), Some(encoding), "{query}");
            assert_eq!(header(&packed, "vary"), Some("accept-encoding"));
            let packed = packed.bytes().await.unwrap();
            assert!(
                packed.len() < plain.len() / 4,
                "{encoding}: {} of {}",
                packed.len(),
                plain.len()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again_and_a_revision_is_a_change() {
    let api = TestApi::start().await;
    fixtures::windows(&api.database, "north").await;
    let closed = "/v1/farms/north/windows?resolution=1h&from=2026-11-22T00:00:00Z&to=2026-11-23T12:00:00Z";
    let ask = async |known: Option<&str>| {
        let mut request = api.request(Method::GET, closed).header("x-api-key", &api.key);
        if let Some(known) = known {
            request = request.header("if-none-match", known);
        }
        request.send().await.unwrap()
    };
    let first = ask(None).await;
    let tag = header(&first, "etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let again = ask(Some(&format!("\"other\", {tag}"))).await;
    assert_eq!(again.status(), 304);
    assert_eq!(header(&again, "etag"), Some(&*tag));
    assert_eq!(header(&again, "cache-control"), Some("private, no-cache"));
    assert!(again.bytes().await.unwrap().is_empty());

    fixtures::run(
        &api.database,
        "UPDATE farm_windows SET revision = revision + 1, wind_speed_mps_max = 11 WHERE window_start = '2026-11-22 23:58Z'",
    )
    .await;
    let revised = ask(Some(&tag)).await;
    assert_eq!(revised.status(), 200);
    assert_ne!(header(&revised, "etag"), Some(&*tag));

    // a stranger with the right tag learns nothing by it
    let stranger = api.key(&[Scope::Read], Some(&["south"])).await;
    let request = api.request(Method::GET, closed).header("x-api-key", stranger);
    let answer = request.header("if-none-match", "*").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (404, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_closed_range_is_sent_again_only_if_something_has_changed() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    let range = "from=2026-11-22T00:00:00Z&to=2026-11-23T00:01:00Z";
    let files = [
        (
            format!("/v1/farms/north/windows?format=csv&{range}"),
            "farm_windows",
        ),
        (
            format!("/v1/farms/north/windows?format=csv&resolution=1h&{range}"),
            "farm_windows",
        ),
        (
            format!("/v1/farms/north/turbines/T1/windows?format=parquet&{range}"),
            "turbine_windows",
        ),
        (
            format!("/v1/farms/north/turbines/T1/readings?format=csv&{range}"),
            "readings",
        ),
    ];
    let ask = async |path: &str, known: &str| {
        let request = api.request(Method::GET, path).header("x-api-key", &api.key);
        request.header("if-none-match", known).send().await.unwrap()
    };
    let mut tags = Vec::new();
    for (path, _) in &files {
        let first = ask(path, "").await;
        assert_eq!(first.status(), 200, "{path}");
        let tag = header(&first, "etag").unwrap().to_owned();
        let again = ask(path, &tag).await;
        assert_eq!(
            (again.status().as_u16(), header(&again, "etag")),
            (304, Some(&*tag)),
            "{path}"
        );
        assert!(again.bytes().await.unwrap().is_empty());
        assert!(!tags.contains(&tag), "each has its own");
        tags.push(tag);
    }
    let revise = "UPDATE farm_windows SET revision = revision + 1 WHERE window_start = '2026-11-22 23:59Z';
         UPDATE turbine_windows SET revision = revision + 1 WHERE window_start = '2026-11-22 23:59Z';
         INSERT INTO readings (farm_id, turbine_id, event_time, kafka_partition, kafka_offset, appended_at)
            VALUES ('north', 'T1', '2026-11-22 23:58:01Z', 1, 99, now())";
    fixtures::run(&api.database, revise).await;
    for ((path, table), tag) in files.iter().zip(&tags) {
        assert_eq!(ask(path, tag).await.status(), 200, "{table} have changed: {path}");
    }
    let open = ask("/v1/farms/north/turbines/T1/readings?format=csv", "").await;
    assert_eq!(header(&open, "etag"), None, "it has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_with_what_can() {
    let api = TestApi::start().await;
    for (method, path, allowed) in [
        (Method::POST, "/v1/farms", "GET"),
        (Method::PUT, "/v1/keys", "GET, POST"),
        (Method::PATCH, "/v1/keys/7", "GET, DELETE"),
        (Method::TRACE, "/v1/farms/north/windows", "GET"),
        (Method::GET, "/medidas", "POST"),
        (Method::DELETE, "/write", "POST"),
    ] {
        let request = api.request(method.clone(), path).header("x-api-key", &api.key);
        let answer = request.send().await.unwrap();
        assert_eq!(header(&answer, "allow"), Some(allowed), "{method} {path}");
        let (status, told) = problem(answer).await;
        assert_eq!(status, 405);
        assert_eq!(told["detail"], format!("there is nothing to {method} at {path}"));
    }
    let (status, _) = problem(api.get("/v1/nothing").await).await;
    assert_eq!(status, 404);
}
