//! How far the sink has stored each partition.

use sqlx::PgPool;

/// What is stored of one partition.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Where the log began when the sink first saw the partition.
    pub first_offset: i64,
    /// The first offset that is not yet in the database.
    pub next_offset: i64,
    /// Records that became rows.
    pub stored: i64,
    /// Records whose row was there already.
    pub duplicates: i64,
    /// Records that broke a rule.
    pub refused: i64,
}

impl StoredPartition {
    /// Nothing was stored yet.
    pub fn nothing(topic: &str, partition: i32) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            first_offset: 0,
            next_offset: 0,
            stored: 0,
            duplicates: 0,
            refused: 0,
        }
    }
}

/// What is stored of each partition of these topics; a partition of which nothing was stored yet may be missing.
pub async fn list(database: &PgPool, topics: &[String]) -> Result<Vec<StoredPartition>, sqlx::Error> {
    sqlx::query_as(
        "SELECT topic, partition, first_offset, next_offset, stored, duplicates, refused FROM kafka_offsets \
         WHERE topic = ANY ($1) ORDER BY topic, partition",
    )
    .bind(topics)
    .fetch_all(database)
    .await
}
