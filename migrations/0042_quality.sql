-- How much was odd about a window's readings when it closed, and whose clocks ran ahead. A revision leaves that as it
-- was, since it depends on how the readings came.

DO $columns$
DECLARE
    counts CONSTANT text := '
        ADD unresponsive_count bigint NOT NULL DEFAULT 0,
        ADD out_of_order_count bigint NOT NULL DEFAULT 0,
        ADD gap_count          bigint NOT NULL DEFAULT 0,
        ADD off_curve_count    bigint NOT NULL DEFAULT 0';
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['farm_windows', 'turbine_windows', 'window_revisions'] LOOP
        EXECUTE format('ALTER TABLE %I %s, ADD suspicious_clocks text[] NOT NULL DEFAULT ''{}''', name, counts);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['ten_minute_farm_windows', 'hourly_farm_windows',
                                'ten_minute_turbine_windows', 'hourly_turbine_windows'] LOOP
        EXECUTE format('ALTER TABLE %I %s', name, counts);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['farm_windows', 'turbine_windows'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.unresponsive_count IS %L', name,
            'readings with a metric that had not changed for many readings');
        EXECUTE format('COMMENT ON COLUMN %I.out_of_order_count IS %L', name,
            'readings that came after one of the same turbine with a later event time');
        EXECUTE format('COMMENT ON COLUMN %I.gap_count IS %L', name,
            'stretches without a reading of a turbine, longer than 5 times its usual interval');
        EXECUTE format('COMMENT ON COLUMN %I.off_curve_count IS %L', name,
            'readings whose power is far from the reference curve');
        EXECUTE format('COMMENT ON COLUMN %I.suspicious_clocks IS %L', name,
            'turbines whose event times ran ahead of append times, and of their fellows''');
    END LOOP;
END
$columns$;
