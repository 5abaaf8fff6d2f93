-- What the sink says of each partition, and what its tables hold of it, or held until a day was dropped.
SELECT
    o.topic,
    o.partition,
    o.first_offset,
    o.next_offset,
    o.stored,
    o.duplicates,
    o.refused,
    coalesce(t.rows, 0)::bigint AS rows,
    coalesce(d.count, 0) AS counted_duplicates
FROM kafka_offsets o
LEFT JOIN (
    SELECT topic, kafka_partition, sum(rows) AS rows
    FROM (
        SELECT $1 AS topic, kafka_partition, count(*) AS rows FROM readings GROUP BY kafka_partition
        UNION ALL
        SELECT $2, kafka_partition, count(*) FROM farm_windows WHERE kafka_offset IS NOT NULL GROUP BY kafka_partition
        UNION ALL
        SELECT $3, kafka_partition, count(*) FROM turbine_windows WHERE kafka_offset IS NOT NULL GROUP BY kafka_partition
        UNION ALL
        SELECT $4, kafka_partition, count(*) FROM dead_letters GROUP BY kafka_partition
        UNION ALL
        SELECT CASE table_name WHEN 'readings' THEN $1 WHEN 'farm_windows' THEN $2 WHEN 'turbine_windows' THEN $3 END,
            kafka_partition, rows
        FROM dropped_rows
    ) AS rows_of_tables
    GROUP BY topic, kafka_partition
) t ON t.topic = o.topic AND t.kafka_partition = o.partition
LEFT JOIN (
    SELECT kafka_partition, sum(count)::bigint AS count FROM duplicates GROUP BY kafka_partition
) d ON o.topic = $1 AND d.kafka_partition = o.partition
WHERE o.topic IN ($1, $2, $3, $4)
ORDER BY o.topic, o.partition
