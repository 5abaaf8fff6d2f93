//! Does what is stored agree with the log?

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::queries::offsets::StoredPartition;

/// What kind of records a topic holds, as far as counting them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TopicKind {
    /// Every offset is a record: those below `next_offset` can be counted to the last one.
    Plain,
    /// Written in transactions, whose markers take offsets too: there are no more records than offsets.
    Transactional,
}

/// Does what is stored agree with the log, partition by partition?
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// Whether every partition is balanced.
    pub balanced: bool,
    /// The partitions of each topic that the sink stores.
    pub items: Vec<PartitionAudit>,
}

/// One partition of a topic: records from `first_offset` to below `next_offset` are in the database, each once.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionAudit {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset that the next record will have; null while Kafka is away.
    pub log_end: Option<i64>,
    /// Where the log began when the sink first saw it; what was removed before then is nobody's.
    pub first_offset: i64,
    /// The first offset that is not yet in the database.
    pub next_offset: i64,
    /// Records that became rows.
    pub stored: i64,
    /// Records whose row was there already.
    pub duplicates: i64,
    /// Records that broke a rule; they are dead letters.
    pub dead_letters: i64,
    /// Offsets between the database and the log's end; null while Kafka is away.
    pub lag: Option<i64>,
    /// Whether all records between `first_offset` and `next_offset` are accounted for: in `readings` exactly, elsewhere no more than there
    /// are offsets, because transactions' markers take some.
    pub balanced: bool,
}

impl Audit {
    /// Compares what is `stored` with the `ends` of the logs. Of partitions that hold records and of which nothing was
    /// stored yet, all is still to come.
    pub fn of(readings: &str, stored: Vec<StoredPartition>, ends: &BTreeMap<(String, i32), i64>) -> Self {
        let mut partitions: BTreeMap<(String, i32), StoredPartition> = ends
            .keys()
            .map(|(topic, partition)| {
                (
                    (topic.clone(), *partition),
                    StoredPartition::nothing(topic, *partition),
                )
            })
            .collect();
        partitions.extend(
            stored
                .into_iter()
                .map(|stored| ((stored.topic.clone(), stored.partition), stored)),
        );
        let items: Vec<_> = partitions
            .into_iter()
            .map(|(place, stored)| {
                let kind = if stored.topic == readings {
                    TopicKind::Plain
                } else {
                    TopicKind::Transactional
                };
                PartitionAudit::of(kind, stored, ends.get(&place).copied())
            })
            .collect();
        Self {
            balanced: items.iter().all(|item| item.balanced),
            items,
        }
    }
}

impl PartitionAudit {
    fn of(kind: TopicKind, stored: StoredPartition, log_end: Option<i64>) -> Self {
        let next_offset = stored.next_offset;
        let offsets = next_offset - stored.first_offset;
        let accounted = stored.stored + stored.duplicates + stored.refused;
        let is_counted = match kind {
            TopicKind::Plain => accounted == offsets,
            TopicKind::Transactional => accounted <= offsets,
        };
        Self {
            topic: stored.topic,
            partition: stored.partition,
            log_end,
            first_offset: stored.first_offset,
            next_offset,
            stored: stored.stored,
            duplicates: stored.duplicates,
            dead_letters: stored.refused,
            lag: log_end.map(|end| (end - next_offset).max(0)),
            balanced: is_counted && log_end.is_none_or(|end| next_offset <= end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(topic: &str, next_offset: i64, [stored, duplicates, refused]: [i64; 3]) -> StoredPartition {
        StoredPartition {
            topic: topic.to_owned(),
            partition: 0,
            first_offset: 0,
            next_offset,
            stored,
            duplicates,
            refused,
        }
    }

    fn judged(
        kind: TopicKind,
        log_end: Option<i64>,
        next_offset: i64,
        counts: [i64; 3],
    ) -> (Option<i64>, bool) {
        let audit = PartitionAudit::of(kind, stored("t", next_offset, counts), log_end);
        (audit.lag, audit.balanced)
    }

    #[test]
    fn readings_are_counted_to_the_last_one() {
        assert_eq!(judged(TopicKind::Plain, Some(12), 10, [7, 2, 1]), (Some(2), true));
        assert_eq!(
            judged(TopicKind::Plain, Some(12), 10, [7, 2, 0]),
            (Some(2), false)
        );
        assert_eq!(judged(TopicKind::Plain, None, 10, [7, 2, 1]), (None, true));
        let lost_end = judged(TopicKind::Plain, Some(9), 10, [7, 2, 1]);
        assert_eq!(lost_end, (Some(0), false));
    }

    #[test]
    fn what_was_gone_before_the_sink_came_is_not_missed() {
        let whole = |kind, counts| {
            let stored = StoredPartition {
                first_offset: 100,
                ..stored("t", 110, counts)
            };
            PartitionAudit::of(kind, stored, Some(110)).balanced
        };
        assert!(whole(TopicKind::Plain, [7, 2, 1]));
        assert!(!whole(TopicKind::Plain, [107, 2, 1]));
        assert!(whole(TopicKind::Transactional, [7, 2, 0]));
        assert!(!whole(TopicKind::Transactional, [11, 0, 0]));
    }

    #[test]
    fn markers_of_transactions_are_no_records() {
        assert_eq!(
            judged(TopicKind::Transactional, Some(10), 10, [7, 0, 0]),
            (Some(0), true)
        );
        assert_eq!(
            judged(TopicKind::Transactional, Some(10), 10, [11, 0, 0]),
            (Some(0), false)
        );
    }

    #[test]
    fn a_partition_that_only_the_log_knows_is_all_to_come() {
        let ends = [(("r".to_owned(), 0), 5), (("r".to_owned(), 1), 7)].into();
        let audit = Audit::of("r", vec![stored("r", 5, [5, 0, 0])], &ends);
        assert!(audit.balanced);
        let lags: Vec<_> = audit
            .items
            .iter()
            .map(|item| (item.partition, item.lag))
            .collect();
        assert_eq!(lags, [(0, Some(0)), (1, Some(7))]);
    }
}
