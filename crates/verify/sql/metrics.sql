-- Windows of {table} whose statistics of a metric are not those of the stored readings: parameters as in counts.sql.
-- Counts, extremes and who and when stands behind them are compared exactly; sums and means to 1e-9. Among equal values
-- the earliest event time counts, then the smallest turbine id: the least row (value, time, turbine) is the minimum, the
-- least row (-value, time, turbine) the maximum.
WITH stored AS (
    SELECT
        farm_id,
        turbine_id,
        date_bin($1 * interval '1 microsecond', event_time, timestamptz 'epoch') AS window_start,
        event_time,
        metric,
        value
    FROM readings r
    CROSS JOIN LATERAL (VALUES
        ('wind_speed_mps', r.wind_speed_mps),
        ('wind_direction_deg', r.wind_direction_deg),
        ('active_power_kw', r.active_power_kw),
        ('theoretical_power_kw', r.theoretical_power_kw),
        ('rotor_speed_rpm', r.rotor_speed_rpm),
        ('blade_pitch_deg', r.blade_pitch_deg),
        ('nacelle_direction_deg', r.nacelle_direction_deg),
        ('ambient_temperature_celsius', r.ambient_temperature_celsius)
    ) AS m (metric, value)
    WHERE value IS NOT NULL
        AND ($2::text[] IS NULL OR farm_id = ANY ($2)) AND ($3::timestamptz IS NULL OR event_time >= $3)
), expected AS (
    SELECT
        {key},
        window_start,
        metric,
        count(*) AS count,
        avg(value) AS mean,
        var_pop(value) * count(*) AS m2,
        sum(value * value) AS squares,
        sum(sin(radians(value))) AS sum_sin,
        sum(cos(radians(value))) AS sum_cos,
        min((value, event_time, turbine_id)) AS min,
        min((-value, event_time, turbine_id)) AS max
    FROM stored
    GROUP BY {key}, window_start, metric
), found AS (
    SELECT
        {prefixed_key},
        w.window_start,
        m.*,
        coalesce(
            'mean ' || m.mean || ', m2 ' || m.m2,
            'sines ' || m.sum_sin || ', cosines ' || m.sum_cos
        ) AS state
    FROM {table} w
    CROSS JOIN LATERAL (VALUES
        ('wind_speed_mps', w.wind_speed_mps_count, w.wind_speed_mps_mean, w.wind_speed_mps_m2, NULL, NULL,
            w.wind_speed_mps_min, w.wind_speed_mps_min_time, w.wind_speed_mps_min_turbine_id,
            w.wind_speed_mps_max, w.wind_speed_mps_max_time, w.wind_speed_mps_max_turbine_id),
        ('wind_direction_deg', w.wind_direction_deg_count, NULL::float8, NULL::float8, w.wind_direction_deg_sum_sin, w.wind_direction_deg_sum_cos,
            w.wind_direction_deg_min, w.wind_direction_deg_min_time, w.wind_direction_deg_min_turbine_id,
            w.wind_direction_deg_max, w.wind_direction_deg_max_time, w.wind_direction_deg_max_turbine_id),
        ('active_power_kw', w.active_power_kw_count, w.active_power_kw_mean, w.active_power_kw_m2, NULL, NULL,
            w.active_power_kw_min, w.active_power_kw_min_time, w.active_power_kw_min_turbine_id,
            w.active_power_kw_max, w.active_power_kw_max_time, w.active_power_kw_max_turbine_id),
        ('theoretical_power_kw', w.theoretical_power_kw_count, w.theoretical_power_kw_mean, w.theoretical_power_kw_m2, NULL, NULL,
            w.theoretical_power_kw_min, w.theoretical_power_kw_min_time, w.theoretical_power_kw_min_turbine_id,
            w.theoretical_power_kw_max, w.theoretical_power_kw_max_time, w.theoretical_power_kw_max_turbine_id),
        ('rotor_speed_rpm', w.rotor_speed_rpm_count, w.rotor_speed_rpm_mean, w.rotor_speed_rpm_m2, NULL, NULL,
            w.rotor_speed_rpm_min, w.rotor_speed_rpm_min_time, w.rotor_speed_rpm_min_turbine_id,
            w.rotor_speed_rpm_max, w.rotor_speed_rpm_max_time, w.rotor_speed_rpm_max_turbine_id),
        ('blade_pitch_deg', w.blade_pitch_deg_count, w.blade_pitch_deg_mean, w.blade_pitch_deg_m2, NULL, NULL,
            w.blade_pitch_deg_min, w.blade_pitch_deg_min_time, w.blade_pitch_deg_min_turbine_id,
            w.blade_pitch_deg_max, w.blade_pitch_deg_max_time, w.blade_pitch_deg_max_turbine_id),
        ('nacelle_direction_deg', w.nacelle_direction_deg_count, NULL::float8, NULL::float8, w.nacelle_direction_deg_sum_sin, w.nacelle_direction_deg_sum_cos,
            w.nacelle_direction_deg_min, w.nacelle_direction_deg_min_time, w.nacelle_direction_deg_min_turbine_id,
            w.nacelle_direction_deg_max, w.nacelle_direction_deg_max_time, w.nacelle_direction_deg_max_turbine_id),
        ('ambient_temperature_celsius', w.ambient_temperature_celsius_count, w.ambient_temperature_celsius_mean, w.ambient_temperature_celsius_m2, NULL, NULL,
            w.ambient_temperature_celsius_min, w.ambient_temperature_celsius_min_time, w.ambient_temperature_celsius_min_turbine_id,
            w.ambient_temperature_celsius_max, w.ambient_temperature_celsius_max_time, w.ambient_temperature_celsius_max_turbine_id)
    ) AS m (metric, count, mean, m2, sum_sin, sum_cos, min, min_time, min_turbine_id, max, max_time, max_turbine_id)
    WHERE m.count > 0
        AND ($2::text[] IS NULL OR w.farm_id = ANY ($2)) AND ($3::timestamptz IS NULL OR w.window_start >= $3)
)
SELECT
    concat_ws(' ', {key}) AS key,
    farm_id,
    window_start,
    format('%s: %s values, %s, min %s, negative max %s by the stored readings; '
        '%s values, %s, min %s, negative max %s in the window',
        metric, e.count,
        CASE WHEN metric LIKE '%\_deg' AND metric <> 'blade_pitch_deg'
            THEN format('sines %s, cosines %s', e.sum_sin, e.sum_cos) ELSE format('mean %s, m2 %s', e.mean, e.m2) END,
        e.min, e.max, f.count, f.state, (f.min, f.min_time, f.min_turbine_id),
        (-f.max, f.max_time, f.max_turbine_id)) AS difference
FROM expected e
FULL JOIN found f USING ({key}, window_start, metric)
WHERE coalesce(e.window_start, f.window_start) >= (
        -- of days that were dropped nothing is there to compare
        SELECT max(kept_from)::timestamp AT TIME ZONE 'UTC' FROM retention WHERE table_name IN ('readings', '{table}')
    )
    AND NOT EXISTS (SELECT FROM late_marks m WHERE m.farm_id = coalesce(e.farm_id, f.farm_id)
        AND m.window_start = coalesce(e.window_start, f.window_start))
    -- a window that is missing altogether is told by its counts
    AND EXISTS (SELECT FROM {table} w WHERE {same_key} AND w.window_start = coalesce(e.window_start, f.window_start))
    AND CASE
        WHEN e.count IS NULL OR f.count IS NULL OR f.state IS NULL THEN true
        ELSE e.count <> f.count
            OR e.min <> (f.min, f.min_time, f.min_turbine_id)
            OR e.max <> (-f.max, f.max_time, f.max_turbine_id)
            OR abs(e.mean - f.mean) > 1e-9 * (1 + abs(e.mean))
            OR abs(e.m2 - f.m2) > 1e-9 * (1 + e.squares)
            OR abs(e.sum_sin - f.sum_sin) > 1e-9 * e.count
            OR abs(e.sum_cos - f.sum_cos) > 1e-9 * e.count
        END
