-- Months of windows that were put together: dropped whole when they were kept long enough, and never before the minutes
-- that they are made from, which an hour that is still to be put together may need.

CREATE FUNCTION drop_month(parent text, before date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
DECLARE
    minutes   text := regexp_replace(parent, '^(ten_minute|hourly)_', '');
    first_day date;
    partition text;
BEGIN
    IF parent NOT IN ('ten_minute_farm_windows', 'hourly_farm_windows',
                      'ten_minute_turbine_windows', 'hourly_turbine_windows') THEN
        RAISE EXCEPTION 'table % has no partitions of months', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.ensure_months', 0));
    -- whoever works with stored days as a whole holds this one shared
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.retention', 0));
    SELECT least(before, r.kept_from) INTO first_day FROM windfarm.retention r WHERE r.table_name = minutes;
    -- a day may be gone for good and not yet taken out
    SELECT least(first_day, min(to_date(right(c.relname, 8), 'YYYYMMDD'))) INTO first_day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('windfarm.%I', minutes)::regclass;
    SELECT c.relname INTO partition
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('windfarm.%I', parent)::regclass
        AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= first_day
    ORDER BY c.relname LIMIT 1;
    IF partition IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('ALTER TABLE windfarm.%I DETACH PARTITION windfarm.%I', parent, partition);
    EXECUTE format('DROP TABLE windfarm.%I', partition);
    RETURN to_date(right(partition, 6), 'YYYYMM');
END
$function$;

COMMENT ON FUNCTION drop_month IS
    'drops the first month (UTC) that ended before this day out of a table of windows put together; null if there is none';

REVOKE EXECUTE ON FUNCTION drop_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_month TO windfarm_sink;

-- As before, but for months of which no minute will ever come again.
CREATE OR REPLACE FUNCTION ensure_months(parent text, months date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kept_from date;
    month     date;
    partition text;
BEGIN
    IF parent NOT IN ('ten_minute_farm_windows', 'hourly_farm_windows',
                      'ten_minute_turbine_windows', 'hourly_turbine_windows') THEN
        RAISE EXCEPTION 'table % has no partitions of months', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- of two that want the same month at once, the second waits here and then finds it made
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.ensure_months', 0));
    SELECT r.kept_from INTO kept_from FROM windfarm.retention r
    WHERE r.table_name = regexp_replace(parent, '^(ten_minute|hourly)_', '');
    FOREACH month IN ARRAY months LOOP
        month := date_trunc('month', month)::date;
        partition := format('%s_%s', parent, to_char(month, 'YYYYMM'));
        CONTINUE WHEN month + interval '1 month' <= kept_from
            OR to_regclass(format('windfarm.%I', partition)) IS NOT NULL;
        -- attached, not created in place: that would lock out everybody who reads or writes the parent
        EXECUTE format('CREATE TABLE windfarm.%I (LIKE windfarm.%I INCLUDING ALL EXCLUDING COMMENTS)', partition, parent);
        EXECUTE format('ALTER TABLE windfarm.%I ATTACH PARTITION windfarm.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, to_char(month, 'YYYY-MM-01 00:00:00+00'),
            to_char(month + interval '1 month', 'YYYY-MM-01 00:00:00+00'));
    END LOOP;
END
$function$;
