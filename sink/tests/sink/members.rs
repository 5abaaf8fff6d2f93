//! Members of the group: threads and processes that come and go.

use testkit::eventually;

use crate::make::nth;
use crate::rig::{LIMIT, Rig};

/// When so many members share all 30 partitions evenly.
async fn settled(rig: &Rig, members: usize) -> Vec<(String, Vec<u8>)> {
    let what = format!("{members} members share the partitions");
    let wanted = 30 / members..=30_usize.div_ceil(members);
    eventually(&what, LIMIT, async || {
        let assignments = rig.assignments();
        let counts: Vec<_> = assignments
            .iter()
            .map(|(_, bytes)| partitions_in(bytes))
            .collect();
        let is_even = counts.iter().all(|count| wanted.contains(count));
        (counts.len() == members && counts.iter().sum::<usize>() == 30 && is_even).then_some(assignments)
    })
    .await
}

/// How many partitions an assignment of the consumer protocol names: version, then topics with their partitions.
fn partitions_in(assignment: &[u8]) -> usize {
    let mut rest = assignment.get(2..).unwrap_or_default();
    let mut take = |bytes: usize| {
        let (taken, left) = rest.split_at_checked(bytes)?;
        rest = left;
        Some(
            taken
                .iter()
                .fold(0, |number, &byte| number << 8 | usize::from(byte)),
        )
    };
    let mut count = 0;
    for _ in 0..take(4).unwrap_or_default() {
        let name = take(2).unwrap_or_default();
        take(name);
        let partitions = take(4).unwrap_or_default();
        take(4 * partitions);
        count += partitions;
    }
    count
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
