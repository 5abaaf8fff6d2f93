//! Leaving a consumer group on a real broker.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::time::Duration;

use platform::{group, topics};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use testkit::{Stack, eventually};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(30);

/// Takes its time over each rebalance, as members do that look up where to read from.
struct Deliberate;

impl ClientContext for Deliberate {}

impl ConsumerContext for Deliberate {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A member whose first partitions lie in its queue, and are not served yet.
async fn member_about_to_be_assigned(stack: &Stack, name: &str) -> BaseConsumer<Deliberate> {
    let kafka = stack.kafka();
    topics::ensure(&kafka, &CancellationToken::new()).await.unwrap();
    let group = format!("{}{name}", stack.topic_prefix);
    let member: BaseConsumer<Deliberate> = kafka
        .client_config(name)
        .set("group.id", &group)
        .set("group.instance.id", name) // a static member sends no good-bye whose answer would wake it up
        .set("partition.assignment.strategy", "cooperative-sticky")
        .create_with_context(Deliberate)
        .unwrap();
    member.subscribe(&[&kafka.topics().readings]).unwrap();
    let observer: BaseConsumer = kafka.client_config("observer").create().unwrap();
    eventually("the group is stable", LIMIT, async || {
        let list = observer.fetch_group_list(Some(&group), LIMIT).ok()?;
        let is_stable = list.groups().iter().any(|group| group.state() == "Stable");
        is_stable.then_some(())
    })
    .await;
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_just_being_given_partitions_leaves_as_soon_as_any_other() {
    let stack = Stack::for_test();
    for round in 0..5 {
        let member = member_about_to_be_assigned(&stack, &format!("leaver-{round}")).await;
        assert!(group::leave(&member, LIMIT).unwrap());
        assert_eq!(member.assignment().unwrap().count(), 0);
        drop(member); // hangs for ever where a rebalance was left unserved
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_even_where_a_rebalance_was_left_unserved() {
    let stack = Stack::for_test();
    for round in 0..5 {
        let member = member_about_to_be_assigned(&stack, &format!("closer-{round}")).await;
        member.unsubscribe(); // and serves nothing
        assert_eq!(member.assignment().unwrap().count(), 0);
        group::close(member);
    }
}
