-- Dead letters of each partition of the readings, of the records between two offsets; the same record twice is one.
SELECT c.partition, count(DISTINCT d.source_offset) AS letters, count(d.source_offset) AS rows
FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS c (partition, first_offset, next_offset)
LEFT JOIN dead_letters d ON d.source_topic = $1 AND d.source_partition = c.partition
    AND d.source_offset >= c.first_offset AND d.source_offset < c.next_offset
GROUP BY c.partition
