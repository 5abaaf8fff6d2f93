-- Windows marked by a late reading that is stored: they should have been made anew.
SELECT m.farm_id, m.window_start, m.kafka_offset
FROM late_marks m
JOIN kafka_offsets o ON o.topic = $1 AND o.partition = m.kafka_partition AND o.next_offset > m.kafka_offset
