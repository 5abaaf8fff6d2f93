-- Windows of {table} that are missing, that have no readings, or whose counts or energy are not those of the stored
-- readings: $1 length of a window in microseconds; $2 only these farms, and $3 only windows from then on, if not null.
-- A window may be missing while it is open: after the last one of its farm that has closed. One that is marked to be
-- made anew is left out.
WITH per_turbine AS (
    SELECT
        farm_id,
        turbine_id,
        date_bin($1 * interval '1 microsecond', event_time, timestamptz 'epoch') AS window_start,
        count(*) AS readings,
        avg(active_power_kw) * ($1 / 3.6e9) AS energy_kwh
    FROM readings
    WHERE ($2::text[] IS NULL OR farm_id = ANY ($2)) AND ($3::timestamptz IS NULL OR event_time >= $3)
    GROUP BY 1, 2, 3
), expected AS (
    SELECT
        {key},
        window_start,
        sum(readings)::bigint AS reading_count,
        count(*) AS turbine_count,
        sum(energy_kwh) AS energy_kwh
    FROM per_turbine
    GROUP BY {key}, window_start
), found AS (
    SELECT {key}, window_start, window_end, reading_count, turbine_count, energy_kwh
    FROM {table}
    WHERE ($2::text[] IS NULL OR farm_id = ANY ($2)) AND ($3::timestamptz IS NULL OR window_start >= $3)
), last_closed AS (
    SELECT farm_id, max(window_start) AS last_start FROM farm_windows WHERE close_reason IS NOT NULL GROUP BY farm_id
)
SELECT
    concat_ws(' ', {key}) AS key,
    farm_id,
    window_start,
    format('readings %s, turbines %s, energy %s kWh by the stored readings; %s, %s, %s kWh in the window',
        e.reading_count, e.turbine_count, e.energy_kwh, f.reading_count, f.turbine_count, f.energy_kwh) AS difference
FROM expected e
FULL JOIN found f USING ({key}, window_start)
LEFT JOIN last_closed l USING (farm_id)
LEFT JOIN farms s USING (farm_id)
WHERE coalesce(e.window_start, f.window_start) >= (
        -- of days that were dropped nothing is there to compare
        SELECT max(kept_from)::timestamp AT TIME ZONE 'UTC' FROM retention WHERE table_name IN ('readings', '{table}')
    )
    AND NOT EXISTS (SELECT FROM late_marks m WHERE m.farm_id = coalesce(e.farm_id, f.farm_id)
        AND m.window_start = coalesce(e.window_start, f.window_start))
    AND CASE
        WHEN f.reading_count IS NULL THEN e.window_start <= l.last_start
            OR e.window_start + ($1 + $4) * interval '1 microsecond' <= s.last_event_time
        WHEN e.reading_count IS NULL THEN true
        ELSE (e.reading_count, e.turbine_count) <> (f.reading_count, f.turbine_count)
            OR f.window_end <> f.window_start + $1 * interval '1 microsecond'
            OR (e.energy_kwh IS NULL) <> (f.energy_kwh IS NULL)
            OR abs(e.energy_kwh - f.energy_kwh) > 1e-9 * (1 + abs(e.energy_kwh))
        END
