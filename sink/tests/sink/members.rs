//! Members of the group: threads and processes that come and go.

use testkit::eventually;

use crate::make::nth;
use crate::rig::{LIMIT, Rig};

/// When so many members share the partitions evenly.
async fn settled(rig: &Rig, members: usize) -> Vec<(String, Vec<u8>)> {
    let what = format!("{members} members share the partitions");
    eventually(&what, LIMIT, async || {
        let assignments = rig.assignments();
        let sizes: Vec<_> = assignments.iter().map(|(_, bytes)| bytes.len()).collect();
        let is_even = sizes
            .iter()
            .max()
            .zip(sizes.iter().min())
            .is_some_and(|(most, least)| {
                // a partition takes 4 bytes, and nobody has more than two above the others
                *least > 0 && most - least < 200
            });
        (assignments.len() == members && is_even && sizes.iter().all(|size| *size > 100))
            .then_some(assignments)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_sink_that_restarts_moves_nothing() {
    let rig = Rig::new().await;
    let static_member = |name: &'static str| {
        let environment = [
            ("INSTANCE_ID", name),
            ("THREADS", "2"),
            ("SESSION_TIMEOUT", "45s"),
        ];
        rig.spawn_with(&environment)
    };
    let (mut one, mut two) = (static_member("one"), static_member("two"));
    let before = settled(&rig, 4).await;
    rig.send_readings(&(0..100).map(nth).collect::<Vec<_>>()).await;
    rig.until("SELECT count(*) FROM readings", 100).await;

    for round in 1..3 {
        assert!(one.terminate(LIMIT).success());
        assert_eq!(rig.assignments(), before, "it keeps its place while it is away");
        rig.send_readings(&(round * 100..(round + 1) * 100).map(nth).collect::<Vec<_>>())
            .await;
        one = static_member("one");
        rig.until("SELECT count(*) FROM readings", (round + 1) * 100)
            .await;
        assert_eq!(rig.assignments(), before);
    }
    assert!(one.terminate(LIMIT).success() && two.terminate(LIMIT).success());
    let sums = "SELECT sum(stored)::bigint FROM kafka_offsets WHERE duplicates = 0 AND refused = 0";
    assert_eq!(rig.number(sums).await, 300);
}
