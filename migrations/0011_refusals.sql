-- Records that the database itself has refused.
--
-- That a record is refused is decided in the transaction that moves the lane over it; its dead letter can only be sent
-- after that. Should it be sent twice, it is stored once: a dead letter of the sink's is known by its source.

CREATE TABLE refusals (
    topic        text COLLATE "C" NOT NULL,
    partition    integer NOT NULL,
    kafka_offset bigint NOT NULL,
    rule         text COLLATE "C" NOT NULL,
    reason       text NOT NULL,
    field        text,
    value        text,
    bound        text,
    refused_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, kafka_offset)
);

COMMENT ON TABLE refusals IS 'records that could not be stored and whose dead letters are still to be sent';

CREATE UNIQUE INDEX dead_letters_of_refusals
    ON dead_letters (source_topic, source_partition, source_offset) WHERE component = 'sink';

GRANT SELECT, INSERT, DELETE ON refusals TO windfarm_sink;
