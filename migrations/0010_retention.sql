-- Days that were kept long enough: they are dropped whole, and nothing is ever put into them again.

CREATE TABLE retention (
    table_name text COLLATE "C" PRIMARY KEY,
    kept_from  date NOT NULL DEFAULT '0001-01-01'
);

INSERT INTO retention (table_name)
VALUES ('readings'), ('farm_windows'), ('turbine_windows'), ('window_revisions');

CREATE TABLE dropped_days (
    table_name text COLLATE "C" NOT NULL,
    day        date NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT now(),
    rows       bigint,
    PRIMARY KEY (table_name, day)
);

CREATE TABLE dropped_rows (
    table_name      text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    rows            bigint NOT NULL,
    PRIMARY KEY (table_name, kafka_partition)
);

COMMENT ON TABLE retention IS 'the first day (UTC) that each table still takes; earlier ones are gone';
COMMENT ON TABLE dropped_days IS 'the days that were dropped, and how many rows went with them';
COMMENT ON COLUMN dropped_days.rows IS 'null while they are being counted';
COMMENT ON TABLE dropped_rows IS
    'rows that went with their days, by the partition of the records that they were from: what is missing in the table';

-- As before, but for days that are gone, and with one table more.
CREATE OR REPLACE FUNCTION ensure_days(parent text, days date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kept_from date;
    day       date;
    partition text;
BEGIN
    IF parent NOT IN ('readings', 'farm_windows', 'turbine_windows', 'window_revisions') THEN
        RAISE EXCEPTION 'table % has no partitions of days', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- of two that want the same day at once, the second waits here and then finds it made
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.ensure_days', 0));
    SELECT r.kept_from INTO kept_from FROM windfarm.retention r WHERE r.table_name = parent;
    FOREACH day IN ARRAY days LOOP
        partition := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
        CONTINUE WHEN day < kept_from OR to_regclass(format('windfarm.%I', partition)) IS NOT NULL;
        -- attached, not created in place: that would lock out everybody who reads or writes the parent
        EXECUTE format('CREATE TABLE windfarm.%I (LIKE windfarm.%I INCLUDING ALL EXCLUDING COMMENTS)', partition, parent);
        EXECUTE format('ALTER TABLE windfarm.%I ATTACH PARTITION windfarm.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, to_char(day, 'YYYY-MM-DD 00:00:00+00'), to_char(day + 1, 'YYYY-MM-DD 00:00:00+00'));
    END LOOP;
END
$function$;

COMMENT ON FUNCTION ensure_days IS
    'makes the partitions of these days (UTC) of a table, but for those that are gone; harmless when they exist';

-- Detaching wants the whole table to itself for an instant. While it waits for a long query everybody else waits behind
-- it, so it gives up soon (lock_not_available), and may be tried again. The rows are counted afterwards, when the day is
-- out of everybody's way.
CREATE FUNCTION drop_day(parent text, before date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
DECLARE
    first_partition text := format('%s_%s', parent, to_char(before, 'YYYYMMDD'));
    partition       text;
    day             date;
BEGIN
    IF parent NOT IN ('readings', 'farm_windows', 'turbine_windows', 'window_revisions') THEN
        RAISE EXCEPTION 'table % has no partitions of days', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.ensure_days', 0));
    -- whoever works with stored days as a whole holds this one shared
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.retention', 0));
    UPDATE windfarm.retention r SET kept_from = before WHERE r.table_name = parent AND r.kept_from < before;
    SELECT c.relname INTO partition
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('windfarm.%I', parent)::regclass AND c.relname < first_partition
    ORDER BY c.relname LIMIT 1;
    IF partition IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('ALTER TABLE windfarm.%I DETACH PARTITION windfarm.%I', parent, partition);
    day := to_date(right(partition, 8), 'YYYYMMDD');
    INSERT INTO windfarm.dropped_days (table_name, day) VALUES (parent, day);
    RETURN day;
END
$function$;

COMMENT ON FUNCTION drop_day IS
    'takes the first day before this one (UTC) out of a table, never to be made again; null if there is none (left)';

CREATE FUNCTION remove_dropped_day(OUT table_name text, OUT day date, OUT rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    partition text;
BEGIN
    SELECT d.table_name, d.day INTO table_name, day
    FROM windfarm.dropped_days d WHERE d.rows IS NULL
    ORDER BY d.table_name, d.day LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF day IS NULL THEN
        RETURN;
    END IF;
    partition := format('%s_%s', table_name, to_char(day, 'YYYYMMDD'));
    EXECUTE format(
        'WITH counted AS (SELECT kafka_partition, count(*) AS rows FROM windfarm.%I GROUP BY kafka_partition),
        added AS (
            INSERT INTO windfarm.dropped_rows AS d (table_name, kafka_partition, rows)
            SELECT $1, c.kafka_partition, c.rows FROM counted c WHERE c.kafka_partition IS NOT NULL
            ON CONFLICT ON CONSTRAINT dropped_rows_pkey DO UPDATE SET rows = d.rows + excluded.rows
        )
        SELECT coalesce(sum(c.rows), 0)::bigint FROM counted c', partition) INTO rows USING table_name;
    EXECUTE format('DROP TABLE windfarm.%I', partition);
    UPDATE windfarm.dropped_days d SET rows = remove_dropped_day.rows
    WHERE d.table_name = remove_dropped_day.table_name AND d.day = remove_dropped_day.day;
END
$function$;

COMMENT ON FUNCTION remove_dropped_day IS
    'counts the rows of a day that was taken out, and removes them; all null if there is no such day (left)';

REVOKE EXECUTE ON FUNCTION drop_day, remove_dropped_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_day, remove_dropped_day TO windfarm_sink;
GRANT SELECT ON retention, dropped_days, dropped_rows TO windfarm_sink, windfarm_api;
