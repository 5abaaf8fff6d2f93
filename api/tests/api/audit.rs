//! Is everything accounted for?

use serde_json::{Value, json};

use crate::app::TestApi;
use crate::fixtures::run;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_compared_with_what_is_stored() {
    let api = TestApi::start_ready().await;
    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let records: Vec<(&[u8], &[u8])> = vec![(b"north", b"x"); 5];
    testkit::produce(&kafka, &topics.readings, Some(0), records);
    run(
        &api.database,
        &format!(
            "INSERT INTO kafka_offsets VALUES ('{}', 0, 4, 1, 2, 1), ('elsewhere.readings', 0, 9, 9, 0, 0)",
            topics.readings
        ),
    )
    .await;

    let audit = api.json("/v1/audit").await;
    assert_eq!(audit["balanced"], true);
    let items = audit["items"].as_array().unwrap();
    assert_eq!(items.len(), 10, "five topics of two partitions");
    let first = |audit: &Value| {
        let mut items = audit["items"].as_array().unwrap().iter();
        items
            .find(|item| item["topic"] == topics.readings && item["partition"] == 0)
            .unwrap()
            .clone()
    };
    assert_eq!(
        first(&audit),
        json!({"topic": topics.readings, "partition": 0, "log_end": 5, "first_offset": 0, "next_offset": 4, "stored": 1,
               "duplicates": 2, "dead_letters": 1, "lag": 1, "balanced": true})
    );

    // the sink has come later: what was removed from the log before then is not missed
    let later = "UPDATE kafka_offsets SET first_offset = 1, refused = 0";
    run(&api.database, later).await;
    assert_eq!(first(&api.json("/v1/audit").await)["balanced"], true);

    run(&api.database, "UPDATE kafka_offsets SET stored = stored - 1").await;
    let audit = api.json("/v1/audit").await;
    assert_eq!(
        (&audit["balanced"], &first(&audit)["balanced"]),
        (&json!(false), &json!(false))
    );
}
