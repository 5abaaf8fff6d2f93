//! Members of the group: threads and processes that come and go.

use std::collections::BTreeMap;

use testkit::eventually;

use crate::make::nth;
use crate::rig::{LIMIT, Rig};

/// When so many members share the 6 partitions of the readings evenly, and so many others the 24 of what is made of them.
pub(crate) async fn settled(rig: &Rig, readers: usize, others: usize) -> Vec<(String, Vec<u8>)> {
    let what = format!("{readers} and {others} members share the partitions");
    let is_even = |counts: &[usize], partitions: usize, members: usize| {
        let wanted = partitions / members..=partitions.div_ceil(members);
        counts.len() == members
            && counts.iter().sum::<usize>() == partitions
            && counts.iter().all(|count| wanted.contains(count))
    };
    let readings = rig.stack.kafka().topics().readings;
    eventually(&what, LIMIT, async || {
        let assignments = rig.assignments();
        let (mut of_readings, mut of_others) = (Vec::new(), Vec::new());
        for (member, bytes) in &assignments {
            let counts = partitions_in(bytes);
            let all: usize = counts.values().sum();
            if member.ends_with("results") {
                of_others.push(all - counts.get(&readings).unwrap_or(&0));
            } else {
                of_readings.push(*counts.get(&readings)?);
            }
        }
        (is_even(&of_readings, 6, readers) && is_even(&of_others, 24, others)).then_some(assignments)
    })
    .await
}

/// How many partitions of each topic an assignment of the consumer protocol names: version, then topics with their
/// partitions.
fn partitions_in(assignment: &[u8]) -> BTreeMap<String, usize> {
    let mut rest = assignment.get(2..).unwrap_or_default();
    let mut take = |bytes: usize| {
        let (taken, left) = rest.split_at_checked(bytes)?;
        rest = left;
        Some(taken)
    };
    let number = |bytes: Option<&[u8]>| {
        let bytes = bytes.unwrap_or_default().iter();
        bytes.fold(0, |number, &byte| number << 8 | usize::from(byte))
    };
    let mut counts = BTreeMap::new();
    for _ in 0..number(take(4)) {
        let length = number(take(2));
        let name = String::from_utf8_lossy(take(length).unwrap_or_default()).into_owned();
        let partitions = number(take(4));
        take(4 * partitions);
        counts.insert(name, partitions);
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_joins_is_given_its_share_of_the_readings() {
    let rig = Rig::new().await;
    let first = rig.start(&[]);
    settled(&rig, 1, 1).await;
    let second = rig.start(&["--threads", "2"]);
    settled(&rig, 3, 2).await;
    first.stop().await;
    settled(&rig, 2, 1).await;
    second.stop().await;
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
    let before = settled(&rig, 4, 2).await;
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
