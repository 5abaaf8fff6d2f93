-- As before, but months and days are read from the names of months and days alone: the planner may look at other names
-- first, and their ends are no dates.

CREATE OR REPLACE FUNCTION drop_month(parent text, before date) RETURNS date
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
    -- a day may be gone for good and not yet taken out; names of whatever else there is are looked at too, if the planner
    -- likes, and give no date
    SELECT least(first_day, min(to_date(substring(c.relname FROM '^' || minutes || '_(\d{8})$'), 'YYYYMMDD'))) INTO first_day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('windfarm.%I', minutes)::regclass;
    SELECT c.relname INTO partition
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('windfarm.%I', parent)::regclass
        AND to_date(substring(c.relname FROM '^' || parent || '_(\d{6})$'), 'YYYYMM') + interval '1 month' <= first_day
    ORDER BY c.relname LIMIT 1;
    IF partition IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('ALTER TABLE windfarm.%I DETACH PARTITION windfarm.%I', parent, partition);
    EXECUTE format('DROP TABLE windfarm.%I', partition);
    RETURN to_date(right(partition, 6), 'YYYYMM');
END
$function$;
