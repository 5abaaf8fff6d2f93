//! What was refused.

use serde_json::json;

use crate::app::TestApi;
use crate::fixtures;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_with_its_reason_and_shown_with_its_bytes() {
    let api = TestApi::start().await;
    fixtures::dead_letters(&api.database).await;
    let page = api.json("/v1/dead-letters?farm=south&order=asc&limit=1").await;
    let letter = json!({
        "id": "0-20", "appended_at": "2026-11-23T10:00:05Z", "farm_id": "south", "rule": "wind_speed_mps",
        "reason": "wind_speed_mps is 80, allowed is [0, 75]", "field": "wind_speed_mps", "value": "80",
        "bound": "[0, 75]", "component": "stream-aggregator",
        "source": {"topic": "windfarm.readings", "partition": 3, "offset": 20, "timestamp": "2026-11-23T09:59:59Z"}
    });
    assert_eq!(page["items"], json!([letter]));

    let mut whole = letter;
    whole["key"] = json!("south");
    whole["payload_hex"] = json!("0000000007");
    whole["payload_text"] = json!(null);
    whole["headers"] = json!({"dlq.rule": "x"});
    assert_eq!(api.json("/v1/dead-letters/0-20").await, whole);

    let text = api.json("/v1/dead-letters/1-29").await;
    assert_eq!(
        (&text["payload_text"], &text["source"]),
        (&json!("{\"n\":29}"), &json!(null))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_filtered() {
    let api = TestApi::start().await;
    fixtures::dead_letters(&api.database).await;
    for (query, count) in [
        ("", 30),
        ("?farm=north", 20),
        ("?farm=nobody", 0),
        ("?rule=wind_speed_mps", 16),
        ("?rule=no_such_rule", 0),
        ("?farm=south&rule=undecodable", 2),
        ("?from=2026-11-23T10:00:05Z", 10),
        ("?to=2026-11-23T10:00:05Z", 20),
    ] {
        let page = api.json(&format!("/v1/dead-letters{query}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    for query in ["?farm=a%20b", "?rule=%27%20OR%20true", "?rule="] {
        assert_eq!(
            api.get(&format!("/v1/dead-letters{query}")).await.status(),
            400,
            "{query}"
        );
    }
}
