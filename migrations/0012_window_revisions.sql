-- What windows said before late readings changed them.

CREATE TABLE window_revisions (
    turbine_id  text COLLATE "C",
    replaced_at timestamptz NOT NULL DEFAULT now(),
    LIKE farm_windows INCLUDING GENERATED
) PARTITION BY RANGE (window_start);

CREATE UNIQUE INDEX window_revisions_key ON window_revisions (farm_id, window_start, turbine_id, revision)
    NULLS NOT DISTINCT;

COMMENT ON TABLE window_revisions IS
    'what windows said before late readings changed them; partitioned by day (UTC) of window_start';
COMMENT ON COLUMN window_revisions.turbine_id IS 'null for a window of a whole farm';
COMMENT ON COLUMN window_revisions.replaced_at IS 'when the next revision took its place';
COMMENT ON COLUMN window_revisions.revision IS 'the one that this is; the next one is in farm_windows or turbine_windows, or here too';

GRANT SELECT, INSERT ON window_revisions TO windfarm_sink;
GRANT SELECT ON window_revisions TO windfarm_api;

-- Marks are seen to in the order of their windows, so that few days are touched at a time.
CREATE INDEX late_marks_by_time ON late_marks (window_start, farm_id);
