//! Whatever the size of the pages, walking through them gives the whole list, each item once.

use serde_json::Value;

use crate::app::TestApi;
use crate::fixtures;

/// The items of all pages, one after the other.
async fn walk(api: &TestApi, path: &str, limit: usize, order: &str) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = api
            .json(&format!("{path}{separator}limit={limit}&order={order}{cursor}"))
            .await;
        let found = page["items"].as_array().unwrap().clone();
        assert!(found.len() <= limit);
        items.extend(found);
        let Some(next) = page["next_cursor"].as_str() else {
            return items;
        };
        assert_eq!(items.len() % limit, 0, "only the last page may be short");
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn walking_through_the_pages_gives_the_whole_list_both_ways() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    fixtures::dead_letters(&api.database).await;
    for (path, length) in [
        ("/v1/farms", 2),
        ("/v1/farms/north/turbines", 3),
        ("/v1/farms/north/turbines/T1/readings", 40),
        (
            "/v1/farms/north/turbines/T1/readings?from=2026-11-22T23:58:00Z&to=2026-11-23T00:01:00Z",
            18,
        ),
        ("/v1/farms/north/windows", 6),
        ("/v1/farms/north/turbines/T1/windows", 6),
        ("/v1/farms/north/windows?resolution=10m", 2),
        ("/v1/farms/north/turbines/T1/windows?resolution=1h", 2),
        (
            "/v1/farms/north/windows?resolution=1d&time_zone=America/Los_Angeles",
            1,
        ),
        ("/v1/dead-letters", 30),
        ("/v1/dead-letters?farm=north&rule=undecodable", 10),
        (
            "/v1/dead-letters?from=2026-11-23T10:00:01Z&to=2026-11-23T10:00:03Z",
            8,
        ),
    ] {
        let whole = walk(&api, path, 10_000, "asc").await;
        assert_eq!(whole.len(), length, "{path}");
        let mut reversed = whole.clone();
        reversed.reverse();
        for limit in [1, 2, 3, 5, length, length + 1] {
            assert_eq!(walk(&api, path, limit, "asc").await, whole, "{path} by {limit}");
            assert_eq!(
                walk(&api, path, limit, "desc").await,
                reversed,
                "{path} by {limit} backwards"
            );
        }
    }
}
