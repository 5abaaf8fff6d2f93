-- What keeps the tables and the log together.

CREATE TABLE kafka_offsets (
    topic        text COLLATE "C" NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint NOT NULL,
    stored       bigint NOT NULL DEFAULT 0,
    duplicates   bigint NOT NULL DEFAULT 0,
    refused      bigint NOT NULL DEFAULT 0,
    first_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);

COMMENT ON TABLE kafka_offsets IS
    'the next record of each partition that is to be stored; moved in the transaction that stores those before it';
COMMENT ON COLUMN kafka_offsets.first_offset IS 'where the log began when the partition was first seen';
COMMENT ON COLUMN kafka_offsets.stored IS 'records below next_offset that became rows';
COMMENT ON COLUMN kafka_offsets.duplicates IS 'records below next_offset whose row was there already';
COMMENT ON COLUMN kafka_offsets.refused IS 'records below next_offset that broke a rule; they are dead letters';

CREATE TABLE duplicates (
    farm_id         text COLLATE "C" NOT NULL,
    day             date NOT NULL,
    kafka_partition integer NOT NULL,
    count           bigint NOT NULL,
    PRIMARY KEY (farm_id, day, kafka_partition)
);

COMMENT ON TABLE duplicates IS
    'readings left out because their turbine and event time were there already, by day (UTC) of event time';

CREATE TABLE late_marks (
    farm_id         text COLLATE "C" NOT NULL,
    window_start    timestamptz NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset    bigint NOT NULL,
    PRIMARY KEY (farm_id, window_start, kafka_partition)
);

COMMENT ON TABLE late_marks IS
    'windows to be made anew as soon as the late reading at kafka_offset of the readings is stored';

CREATE TABLE dead_letters (
    kafka_partition  integer NOT NULL,
    kafka_offset     bigint NOT NULL,
    appended_at      timestamptz NOT NULL,
    farm_id          text COLLATE "C",
    key              bytea,
    payload          bytea,
    headers          jsonb NOT NULL,
    reason           text,
    rule             text COLLATE "C",
    field            text,
    value            text,
    bound            text,
    source_topic     text COLLATE "C",
    source_partition integer,
    source_offset    bigint,
    source_timestamp timestamptz,
    component        text,
    PRIMARY KEY (kafka_partition, kafka_offset)
);

CREATE INDEX dead_letters_by_time ON dead_letters (appended_at, kafka_partition, kafka_offset);
CREATE INDEX dead_letters_by_farm ON dead_letters (farm_id, appended_at, kafka_partition, kafka_offset);
CREATE INDEX dead_letters_by_rule ON dead_letters (rule, appended_at, kafka_partition, kafka_offset);

COMMENT ON TABLE dead_letters IS 'records that were refused: untouched, and why';
COMMENT ON COLUMN dead_letters.farm_id IS 'the record''s key, if it is an id';
COMMENT ON COLUMN dead_letters.headers IS 'all headers of the record, name to text';
