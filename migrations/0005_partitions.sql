-- Makes the partitions of days. It runs with the owner's rights, because who writes rows may not own tables.

CREATE FUNCTION ensure_days(parent text, days date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    day       date;
    partition text;
BEGIN
    IF parent NOT IN ('readings', 'farm_windows', 'turbine_windows') THEN
        RAISE EXCEPTION 'table % has no partitions of days', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- of two that want the same day at once, the second waits here and then finds it made
    PERFORM pg_advisory_xact_lock(hashtextextended('windfarm.ensure_days', 0));
    FOREACH day IN ARRAY days LOOP
        partition := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass(format('windfarm.%I', partition)) IS NOT NULL;
        -- attached, not created in place: that would lock out everybody who reads or writes the parent
        EXECUTE format('CREATE TABLE windfarm.%I (LIKE windfarm.%I INCLUDING ALL EXCLUDING COMMENTS)', partition, parent);
        EXECUTE format('ALTER TABLE windfarm.%I ATTACH PARTITION windfarm.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, to_char(day, 'YYYY-MM-DD 00:00:00+00'), to_char(day + 1, 'YYYY-MM-DD 00:00:00+00'));
    END LOOP;
END
$function$;

REVOKE EXECUTE ON FUNCTION ensure_days FROM PUBLIC;

COMMENT ON FUNCTION ensure_days IS
    'makes the partitions of these days (UTC) of readings, farm_windows or turbine_windows; harmless when they exist';
