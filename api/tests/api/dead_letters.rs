//! What was refused.

use api::model::DeadLetter;
use api::params::{KeyPage, Order, TimeRange};
use api::queries::dead_letters::{DeadLetterFilter, DeadLetterKey, list, push_page};
use domain::Timestamp;
use serde_json::{Value, json};
use sqlx::QueryBuilder;

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

/// The rows that the scans of a plan have touched when it ran.
fn rows_read(plan: &Value) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let below: f64 = plan["Plans"]
        .as_array()
        .into_iter()
        .flatten()
        .map(rows_read)
        .sum();
    if plan.get("Relation Name").is_none() {
        return below;
    }
    let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    below + (number("Actual Rows") + removed) * number("Actual Loops")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_read_from_an_index_however_many_letters_there_are() {
    let api = TestApi::start().await;
    // farm-0 has most of them; of rare_rule there are few, and of one farm only
    fixtures::run(
        &api.database,
        "INSERT INTO dead_letters (kafka_partition, kafka_offset, appended_at, farm_id, headers, rule)
            SELECT n % 6, n, timestamptz '2026-11-01 00:00Z' + n * interval '10 s',
                CASE WHEN n % 10 < 8 THEN 'farm-0' ELSE 'farm-' || n % 97 END, '{}',
                CASE WHEN n % 9973 = 0 THEN 'rare_rule' WHEN n % 3 = 0 THEN 'no_metric' ELSE 'undecodable' END
            FROM generate_series(0, 99999) AS n;
         ANALYZE dead_letters;",
    )
    .await;
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let some = TimeRange {
        from: time("2026-11-05T00:00:00Z"),
        to: time("2026-11-06T00:00:00Z"),
    };
    let all = TimeRange::ALL;
    let cursor = (time("2026-11-05T12:00:00Z").as_micros(), 3, 38_880);
    let everything = KeyPage {
        limit: 1_000_000,
        order: Order::Asc,
        after: None,
    };
    let letters = list(&api.database, &filter(None, None, all), &everything)
        .await
        .unwrap();
    let (north, south) = (Some(&["farm-0"][..]), Some(&["farm-13"][..]));
    let both = Some(&["farm-0", "farm-13"][..]);
    for (farms, rule, range, after) in [
        (None, None, all, None),
        (None, None, all, Some(cursor)),
        (None, None, some, None),
        (None, Some("no_metric"), some, Some(cursor)),
        (None, Some("rare_rule"), all, None),
        (north, None, all, None),
        (south, None, some, Some(cursor)),
        (south, Some("no_metric"), all, None),
        (north, Some("rare_rule"), all, None),
        (both, None, all, None),
        (both, Some("rare_rule"), all, Some(cursor)),
        (Some(&[][..]), None, all, None),
    ] {
        for order in [Order::Asc, Order::Desc] {
            let filter = filter(farms, rule, range);
            let page = KeyPage {
                limit: 100,
                order,
                after,
            };
            let found = list(&api.database, &filter, &page).await.unwrap();
            let found: Vec<_> = found.iter().map(DeadLetter::key).collect();
            assert_eq!(found, naively(&letters, &filter, &page), "{filter:?} {page:?}");

            let mut sql = QueryBuilder::new("EXPLAIN (ANALYZE, FORMAT JSON) ");
            push_page(&mut sql, &filter, &page);
            let plan: Value = sql.build_query_scalar().fetch_one(&api.database).await.unwrap();
            // a rule that every third letter broke may as well be looked for among all of a time
            let pages = 10.0 * farms.map_or(1, <[_]>::len) as f64;
            assert!(
                rows_read(&plan[0]["Plan"]) <= 101.0 * pages,
                "{filter:?} {page:?}\n{plan:#}"
            );
        }
    }
}

fn filter(farms: Option<&[&str]>, rule: Option<&str>, range: TimeRange) -> DeadLetterFilter {
    DeadLetterFilter {
        farms: farms.map(|farms| farms.iter().map(|&farm| farm.to_owned()).collect()),
        rule: rule.map(str::to_owned),
        range,
    }
}

/// The keys of the page and of one letter more, out of all letters in their order.
fn naively(
    letters: &[DeadLetter],
    filter: &DeadLetterFilter,
    page: &KeyPage<DeadLetterKey>,
) -> Vec<DeadLetterKey> {
    let is_meant = |letter: &&DeadLetter| {
        let farm = letter.farm_id.as_ref();
        filter
            .farms
            .as_ref()
            .is_none_or(|farms| farm.is_some_and(|farm| farms.contains(farm)))
            && (filter.rule.is_none() || letter.rule == filter.rule)
            && (filter.range.from..filter.range.to).contains(&letter.appended_at)
    };
    let mut keys: Vec<_> = letters.iter().filter(is_meant).map(DeadLetter::key).collect();
    if page.order == Order::Desc {
        keys.reverse();
    }
    let is_after = |key: &DeadLetterKey| match page.order {
        Order::Asc => page.after.is_none_or(|after| *key > after),
        Order::Desc => page.after.is_none_or(|after| *key < after),
    };
    keys.into_iter().filter(is_after).take(101).collect()
}
