//! What is open to everybody.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::app::{TestApi, problem};

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_needs_no_key() {
    let api = TestApi::start().await;
    for (path, status, location) in [
        ("/", 200, None),
        ("/assets/page.js", 200, None),
        ("/assets/page.css", 200, None),
        ("/icon.svg", 200, None),
        ("/docs", 307, Some("/docs/")),
        ("/docs/", 200, None),
        ("/docs/swagger-ui-bundle.js", 200, None),
        ("/openapi.json", 200, None),
    ] {
        let response = api.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let found = response
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap());
        assert_eq!(found, location, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_specification_is_that_of_the_routes() {
    let api = TestApi::start().await;
    let served = api.request(Method::GET, "/openapi.json").send().await.unwrap();
    let served: Value = served.json().await.unwrap();
    assert_eq!(served, serde_json::to_value(api::openapi_document()).unwrap());
    let paths: BTreeSet<&str> = served["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "/agregados/minuto",
        "/api/v2/write",
        "/generadores",
        "/generadores/{id}",
        "/health",
        "/medidas",
        "/ping",
        "/v1/audit",
        "/v1/dead-letters",
        "/v1/dead-letters/{id}",
        "/v1/events",
        "/v1/farms",
        "/v1/farms/{farm}/extremes",
        "/v1/farms/{farm}/turbines",
        "/v1/farms/{farm}/turbines/{turbine}",
        "/v1/farms/{farm}/turbines/{turbine}/readings",
        "/v1/farms/{farm}/turbines/{turbine}/windows",
        "/v1/farms/{farm}/windows",
        "/v1/key-log",
        "/v1/keys",
        "/v1/keys/{id}",
        "/v1/keys/{id}/rotate",
        "/v1/readings",
        "/write",
    ];
    assert_eq!(paths, BTreeSet::from(expected));

    let paths = served["paths"].as_object().unwrap().values();
    let operations: Vec<&Value> = paths
        .flat_map(|path| path.as_object().unwrap().values())
        .collect();
    let ids: Vec<&str> = operations
        .iter()
        .map(|one| one["operationId"].as_str().unwrap())
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    for operation in operations {
        let mut responses = operation["responses"].as_object().unwrap().values();
        assert!(
            responses.all(|response| response["description"].is_string()),
            "{operation}"
        );
    }

    let names: BTreeSet<String> = references(&served).into_iter().collect();
    for name in names {
        let schema = &served["components"]["schemas"][&name];
        assert!(
            schema.is_object(),
            "the schema {name} is referred to, but not there"
        );
    }
}

/// The names of all schemas that a document refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            let own = own
                .and_then(|path| path.strip_prefix("#/components/schemas/"))
                .map(str::to_owned);
            own.into_iter()
                .chain(fields.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_nothing_that_is_not_its_own_and_is_loaded_once() {
    let api = TestApi::start().await;
    let page = api.request(Method::GET, "/").send().await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let tag = page.headers()["etag"].clone();
    let again = api.request(Method::GET, "/").header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nowhere_is_a_problem_too() {
    let api = TestApi::start().await;
    let response = api.request(Method::DELETE, "/anything").send().await.unwrap();
    let (status, problem) = problem(response).await;
    assert_eq!(status, 404);
    assert_eq!(problem["detail"], "there is nothing to DELETE at /anything");
}
