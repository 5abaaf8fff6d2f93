-- Dead letters that are sent to their topics once more, and found by all that people ask for.

ALTER TABLE dead_letters
    ADD replay_begun_at    timestamptz,
    ADD replayed_at        timestamptz,
    ADD replayed_topic     text COLLATE "C",
    ADD replayed_partition integer,
    ADD replayed_offset    bigint;

COMMENT ON COLUMN dead_letters.replay_begun_at IS
    'when it was about to be sent to its topic again; while replayed_at is null nobody knows whether it was';
COMMENT ON COLUMN dead_letters.replayed_at IS 'when Kafka had acknowledged it again, at replayed_offset';

CREATE INDEX dead_letters_by_farm_and_rule
    ON dead_letters (farm_id, rule, appended_at, kafka_partition, kafka_offset);
CREATE INDEX dead_letters_by_source ON dead_letters (source_topic, source_partition, source_offset);

GRANT UPDATE (replay_begun_at, replayed_at, replayed_topic, replayed_partition, replayed_offset)
    ON dead_letters TO windfarm_sink;
