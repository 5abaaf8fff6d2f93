-- What the log has forgotten is found by its offsets: a listener of the live stream may come back that late. Rows come
-- in about the order of their offsets, so that a summary per range of pages is enough, and costs the sink nothing.

CREATE INDEX readings_by_offset ON readings USING brin (kafka_offset) WITH (autosummarize = on);
CREATE INDEX farm_windows_by_offset ON farm_windows USING brin (kafka_offset) WITH (autosummarize = on);
