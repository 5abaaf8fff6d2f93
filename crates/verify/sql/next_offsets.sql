-- How far the sink is with a topic.
SELECT partition, next_offset FROM kafka_offsets WHERE topic = $1
