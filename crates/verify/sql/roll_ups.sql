-- {table} against {minutes}: windows of {length} that are not what their minutes come to, with what is different.
WITH kept AS (
    -- of days that were dropped nothing is there to compare
    SELECT kept_from::timestamp AT TIME ZONE 'UTC' AS first FROM retention WHERE table_name = '{minutes}'
),
expected AS (
    SELECT
        {key},
        date_bin('{length}', window_start, '2000-01-01 00:00:00+00') AS window_start,
        sum(revision)::bigint AS revision,
        sum(reading_count)::bigint AS reading_count,
        sum(duplicate_count)::bigint AS duplicate_count,
        sum(rejected_count)::bigint AS rejected_count,
        ARRAY[sum(unresponsive_count), sum(out_of_order_count), sum(gap_count), sum(off_curve_count)]::bigint[] AS odd,
        sum(extract(epoch FROM window_end - window_start) * turbine_count)::float8 AS turbine_seconds,
        sum(energy_kwh) AS energy_kwh,
{expected_metrics}
    FROM {minutes}
    WHERE window_start >= (SELECT first FROM kept)
    GROUP BY {key}, date_bin('{length}', window_start, '2000-01-01 00:00:00+00')
),
found AS (
    SELECT * FROM {table} WHERE window_start >= (SELECT first FROM kept)
),
compared AS (
    SELECT {key}, window_start, CASE WHEN f.reading_count IS NULL THEN 'it is missing'
    WHEN e.reading_count IS NULL THEN 'it has no minutes'
    ELSE concat_ws(', ',
        CASE WHEN e.reading_count <> f.reading_count
            THEN format('reading_count (%s, %s by the minutes)', f.reading_count, e.reading_count) END,
        CASE WHEN e.revision <> f.revision THEN 'revision' END,
        CASE WHEN e.duplicate_count <> f.duplicate_count THEN 'duplicate_count' END,
        CASE WHEN e.rejected_count <> f.rejected_count THEN 'rejected_count' END,
        CASE WHEN e.odd <> ARRAY[f.unresponsive_count, f.out_of_order_count, f.gap_count, f.off_curve_count]
            THEN 'counts of odd readings' END,
        CASE WHEN abs(e.turbine_seconds - f.turbine_seconds) > 1e-6 THEN 'turbine_seconds' END,
        CASE WHEN (e.energy_kwh IS NULL) <> (f.energy_kwh IS NULL)
                OR abs(e.energy_kwh - f.energy_kwh) > 1e-9 * (1 + abs(e.energy_kwh)) THEN 'energy_kwh' END,
{different_metrics}
    ) END AS difference
    FROM expected e
    FULL JOIN found f USING ({key}, window_start)
)
SELECT concat_ws(' ', {key}) AS key, window_start, difference
FROM compared c
WHERE difference <> ''
    AND NOT EXISTS (SELECT FROM roll_up_marks m
        WHERE m.farm_id = c.farm_id AND m.hour = date_trunc('hour', c.window_start, 'UTC'))
ORDER BY window_start
LIMIT $1
