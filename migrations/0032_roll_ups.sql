-- Windows put together to ten minutes and to hours, so that a year is told without reading half a million minutes.
--
-- A minute that is stored or changed marks its hour in the same transaction. Some time after the last mark the sink
-- makes the hour's rows anew from its minutes and removes the mark. So of an hour without a mark the rows here are
-- right, and of an hour with one the minutes are to be asked.

DO $tables$
DECLARE
    source  record;
    length  text;
    roll_up text;
BEGIN
    FOR source IN SELECT * FROM (VALUES
        ('farm_windows', 'farm_id, window_start'),
        ('turbine_windows', 'farm_id, turbine_id, window_start')
    ) AS sources (minutes, key) LOOP
        -- the columns of the minutes, those computed included, but for what only a minute has
        EXECUTE format('CREATE TABLE template (LIKE %I INCLUDING GENERATED INCLUDING DEFAULTS)', source.minutes);
        ALTER TABLE template
            DROP window_end, DROP close_reason, DROP kafka_partition, DROP kafka_offset,
            ADD turbine_seconds float8 NOT NULL;
        FOREACH length IN ARRAY ARRAY['ten_minute', 'hourly'] LOOP
            roll_up := format('%s_%s', length, source.minutes);
            EXECUTE format('CREATE TABLE %I (LIKE template INCLUDING GENERATED INCLUDING DEFAULTS, PRIMARY KEY (%s))
                PARTITION BY RANGE (window_start)', roll_up, source.key);
            EXECUTE format('COMMENT ON TABLE %I IS %L', roll_up,
                format('%s put together; partitioned by month (UTC) of window_start', source.minutes));
            EXECUTE format('COMMENT ON COLUMN %I.revision IS %L', roll_up,
                'how often late readings have changed one of the minutes');
            EXECUTE format('COMMENT ON COLUMN %I.turbine_seconds IS %L', roll_up,
                'sum over minutes of turbines that reported times the length of the minute');
            EXECUTE format('COMMENT ON COLUMN %I.energy_kwh IS %L', roll_up, 'sum of the minutes'' energies');
            EXECUTE format('GRANT SELECT, INSERT, DELETE ON %I TO windfarm_sink', roll_up);
            EXECUTE format('GRANT SELECT ON %I TO windfarm_api', roll_up);
        END LOOP;
        DROP TABLE template;
    END LOOP;
END
$tables$;

CREATE TABLE roll_up_marks (
    farm_id   text COLLATE "C" NOT NULL,
    hour      timestamptz NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (farm_id, hour)
) WITH (fillfactor = 50);

CREATE INDEX roll_up_marks_by_age ON roll_up_marks (marked_at);

COMMENT ON TABLE roll_up_marks IS 'hours (UTC) with minutes that are not yet put together as they are now';

GRANT SELECT, INSERT, UPDATE, DELETE ON roll_up_marks TO windfarm_sink;
GRANT SELECT ON roll_up_marks TO windfarm_api;

-- all that was stored before is still to be put together
INSERT INTO roll_up_marks (farm_id, hour)
    SELECT farm_id, date_trunc('hour', window_start, 'UTC') FROM farm_windows
    UNION SELECT farm_id, date_trunc('hour', window_start, 'UTC') FROM turbine_windows;

CREATE FUNCTION ensure_months(parent text, months date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    month     date;
    partition text;
BEGIN
    IF parent NOT IN ('ten_minute_farm_windows', 'hourly_farm_windows',
                      'ten_minute_turbine_windows', 'hourly_turbine_windows') THEN
        RAISE EXCEPTION 'table % has no partitions of months', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- of two that want the same month at once, the second waits here and then finds it made
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.ensure_months', 0));
    FOREACH month IN ARRAY months LOOP
        month := date_trunc('month', month)::date;
        partition := format('%s_%s', parent, to_char(month, 'YYYYMM'));
        CONTINUE WHEN to_regclass(format('windfarm.%I', partition)) IS NOT NULL;
        -- attached, not created in place: that would lock out everybody who reads or writes the parent
        EXECUTE format('CREATE TABLE windfarm.%I (LIKE windfarm.%I INCLUDING ALL EXCLUDING COMMENTS)', partition, parent);
        EXECUTE format('ALTER TABLE windfarm.%I ATTACH PARTITION windfarm.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, to_char(month, 'YYYY-MM-01 00:00:00+00'),
            to_char(month + interval '1 month', 'YYYY-MM-01 00:00:00+00'));
    END LOOP;
END
$function$;

REVOKE EXECUTE ON FUNCTION ensure_months FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_months TO windfarm_sink;

COMMENT ON FUNCTION ensure_months IS
    'makes the partitions of the months (UTC) of these days of a table of windows put together; harmless when they exist';
