//! Which messages may be acknowledged to the MQTT broker: pure.

use std::collections::VecDeque;

/// Names a message that came, for as long as the process lives.
pub type Ticket = usize;

/// Messages that came over the present connection and are not acknowledged to the broker, in the order in which they
/// came. MQTT wants its acknowledgements in that order (3.1.1, §4.6); Kafka gives its own in the order of partitions.
///
/// A packet's number means something on one connection only: after another one is made, the broker sends all again that
/// was not acknowledged, and an acknowledgement of the earlier time could hit a message that is not on Kafka.
#[derive(Debug, Default)]
pub struct Unacknowledged {
    /// Ticket of the first of `messages`.
    first: Ticket,
    messages: VecDeque<Message>,
}

#[derive(Debug)]
struct Message {
    /// None of a message that wants no acknowledgement (QoS 0).
    packet_id: Option<u16>,
    is_on_kafka: bool,
}

impl Unacknowledged {
    /// A message has come; 0 is the number of packets that want no acknowledgement.
    pub fn receive(&mut self, packet_id: u16) -> Ticket {
        self.messages.push_back(Message {
            packet_id: (packet_id != 0).then_some(packet_id),
            is_on_kafka: false,
        });
        self.first + self.messages.len() - 1
    }

    /// Kafka has acknowledged it. Of an earlier connection's messages it does not matter any more.
    pub fn deliver(&mut self, ticket: Ticket) {
        let place = ticket.checked_sub(self.first);
        if let Some(message) = place.and_then(|place| self.messages.get_mut(place)) {
            message.is_on_kafka = true;
        }
    }

    /// The next packet to acknowledge; none while the first one that came is not on Kafka.
    pub fn acknowledge(&mut self) -> Option<u16> {
        while self.messages.front().is_some_and(|message| message.is_on_kafka) {
            self.first += 1;
            let acknowledged = self.messages.pop_front()?;
            if acknowledged.packet_id.is_some() {
                return acknowledged.packet_id;
            }
        }
        None
    }

    /// The connection is gone: the broker will send all of them again.
    pub fn forget(&mut self) {
        self.first += self.messages.len();
        self.messages.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const NOTHING: [u16; 0] = [];

    fn acknowledged(waiting: &mut Unacknowledged) -> Vec<u16> {
        std::iter::from_fn(|| waiting.acknowledge()).collect()
    }

    #[test]
    fn acknowledgements_keep_the_order_in_which_messages_came() {
        let mut waiting = Unacknowledged::default();
        let tickets: Vec<_> = [1, 2, 0, 3].map(|id| waiting.receive(id)).into();
        waiting.deliver(tickets[1]);
        assert_eq!(acknowledged(&mut waiting), NOTHING);
        waiting.deliver(tickets[0]);
        assert_eq!(acknowledged(&mut waiting), [1, 2]);
        waiting.deliver(tickets[3]);
        assert_eq!(
            acknowledged(&mut waiting),
            NOTHING,
            "one without a number holds its place too"
        );
        waiting.deliver(tickets[2]);
        assert_eq!(acknowledged(&mut waiting), [3]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_came_over_an_earlier_connection_is_not_acknowledged_on_this_one() {
        let mut waiting = Unacknowledged::default();
        let before = waiting.receive(1);
        waiting.forget();
        let after = waiting.receive(1);
        waiting.deliver(before);
        assert_eq!(acknowledged(&mut waiting), NOTHING);
        waiting.deliver(after);
        assert_eq!(acknowledged(&mut waiting), [1]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Receive,
        Deliver(usize),
        Reconnect,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Receive),
            6 => (0_usize..40).prop_map(Step::Deliver),
            1 => Just(Step::Reconnect),
        ]
    }

    proptest! {
        #[test]
        fn only_what_is_on_kafka_is_acknowledged_each_once(steps in prop::collection::vec(step(), 0..80)) {
            let mut waiting = Unacknowledged::default();
            let (mut connection, mut delivered, mut done) = (0, HashSet::new(), HashSet::new());
            // ticket, connection and packet of everything that came
            let mut came: Vec<(Ticket, usize, u16)> = Vec::new();
            for step in steps {
                match step {
                    Step::Receive => {
                        let packet = u16::try_from(came.len() + 1).unwrap();
                        came.push((waiting.receive(packet), connection, packet));
                    }
                    Step::Deliver(which) => {
                        if let Some(&(ticket, ..)) = came.get(which) {
                            delivered.insert(ticket);
                            waiting.deliver(ticket);
                        }
                    }
                    Step::Reconnect => {
                        connection += 1;
                        waiting.forget();
                    }
                }
                for packet in acknowledged(&mut waiting) {
                    let &(ticket, of, _) = came.iter().find(|(.., id)| *id == packet).unwrap();
                    prop_assert!(delivered.contains(&ticket) && of == connection);
                    prop_assert!(done.insert(packet));
                }
            }
        }
    }
}
