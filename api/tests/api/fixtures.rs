//! Rows as the sink would have written them.

use sqlx::PgPool;

/// Two farms: `north` with T1 (40 readings, one each 10 s, from 23:57:00 over midnight to 00:03:30), T2 (one, with
/// nothing but its wind speed) and T3 (whose readings are gone), and `south` with S1.
pub(crate) async fn farms(database: &PgPool) {
    run(
        database,
        "SELECT ensure_days('readings', ARRAY['2026-11-22', '2026-11-23']::date[]);
         INSERT INTO farms VALUES
            ('north', '2026-11-20 00:00Z', '2026-11-23 00:03:30Z'),
            ('south', '2026-11-23 10:00Z', '2026-11-23 10:00Z');
         INSERT INTO turbines VALUES
            ('north', 'T1', '2026-11-22 23:57Z', '2026-11-23 00:03:30Z'),
            ('north', 'T2', '2026-11-23 00:00Z', '2026-11-23 00:00Z'),
            ('north', 'T3', '2026-11-20 00:00Z', '2026-11-20 00:00Z'),
            ('south', 'S1', '2026-11-23 10:00Z', '2026-11-23 10:00Z');
         INSERT INTO readings
            SELECT 'north', 'T1', timestamptz '2026-11-22 23:57Z' + n * interval '10 s', n, 8 + n / 4.0, 350, -3.5, 0, 12,
                   90, 349, 3.25, 'GENERATING', 1, n, timestamptz '2026-11-22 23:57:00.2Z' + n * interval '10 s'
            FROM generate_series(0, 39) AS n;
         INSERT INTO readings (farm_id, turbine_id, event_time, wind_speed_mps, kafka_partition, kafka_offset, appended_at)
            VALUES ('north', 'T2', '2026-11-23 00:00Z', 7.5, 1, 40, '2026-11-23 00:00Z'),
                   ('south', 'S1', '2026-11-23 10:00Z', 6.5, 0, 0, '2026-11-23 10:00Z');",
    )
    .await;
}

/// Six windows of the farm and of its turbine T1, a minute each, from 23:57 to 00:02; the third is a revision that
/// only late readings made. Wind speed: two readings, 8 and 10. Wind direction: 350° and 10°. Nothing else was sent.
pub(crate) async fn windows(database: &PgPool, farm: &str) {
    run(
        database,
        &format!(
            "SELECT ensure_days(parent, ARRAY['2026-11-22', '2026-11-23']::date[])
                FROM unnest(ARRAY['farm_windows', 'turbine_windows']) AS parent;
             INSERT INTO farms VALUES ('{farm}', '2026-11-22 23:57:05Z', '2026-11-23 00:02:50Z') ON CONFLICT DO NOTHING;
             INSERT INTO turbines VALUES ('{farm}', 'T1', '2026-11-22 23:57:05Z', '2026-11-23 00:02:50Z')
                ON CONFLICT DO NOTHING;
             INSERT INTO farm_windows (farm_id, window_start, window_end, revision, close_reason, reading_count,
                    duplicate_count, rejected_count, turbine_count, energy_kwh,
                    wind_speed_mps_count, wind_speed_mps_mean, wind_speed_mps_m2,
                    wind_speed_mps_min, wind_speed_mps_min_turbine_id, wind_speed_mps_min_time,
                    wind_speed_mps_max, wind_speed_mps_max_turbine_id, wind_speed_mps_max_time,
                    wind_direction_deg_count, wind_direction_deg_sum_sin, wind_direction_deg_sum_cos,
                    wind_direction_deg_min, wind_direction_deg_min_turbine_id, wind_direction_deg_min_time,
                    wind_direction_deg_max, wind_direction_deg_max_turbine_id, wind_direction_deg_max_time)
                SELECT '{farm}', at, at + interval '1 min', CASE n WHEN 2 THEN 1 ELSE 0 END,
                    CASE n WHEN 2 THEN NULL WHEN 5 THEN 'IDLE' ELSE 'STREAM_TIME' END::close_reason, 2, 1, 3, 2, NULL,
                    2, 9, 2, 8, 'T1', at, 10, 'T2', at + interval '30 s',
                    2, sind(350) + sind(10), cosd(350) + cosd(10), 10, 'T2', at + interval '30 s', 350, 'T1', at
                FROM generate_series(0, 5) AS n, LATERAL (SELECT timestamptz '2026-11-22 23:57Z' + n * interval '1 min' AS at);
             INSERT INTO turbine_windows (farm_id, turbine_id, window_start, window_end, revision, close_reason,
                    reading_count, duplicate_count, rejected_count, energy_kwh,
                    wind_speed_mps_count, wind_speed_mps_mean, wind_speed_mps_m2,
                    wind_speed_mps_min, wind_speed_mps_min_time, wind_speed_mps_max, wind_speed_mps_max_time)
                SELECT '{farm}', 'T1', window_start, window_end, 0, 'STREAM_TIME', 1, 1, 3, 0.5, 1, 8, 0, 8, window_start,
                    8, window_start
                FROM farm_windows WHERE farm_id = '{farm}';
             INSERT INTO roll_up_marks (farm_id, hour)
                VALUES ('{farm}', '2026-11-22 23:00Z'), ('{farm}', '2026-11-23 00:00Z');"
        ),
    )
    .await;
}

/// 30 dead letters, several appended at the same time: 20 of `north` (10 by each of two rules), 5 of `south`, 5 of no
/// farm. The payload is JSON for those of no farm, and framed bytes for the others.
pub(crate) async fn dead_letters(database: &PgPool) {
    run(
        database,
        "INSERT INTO dead_letters
            SELECT n % 2, n, timestamptz '2026-11-23 10:00Z' + (n / 4) * interval '1 s',
                CASE WHEN n < 20 THEN 'north' WHEN n < 25 THEN 'south' END,
                CASE WHEN n < 20 THEN 'north' WHEN n < 25 THEN 'south' END::bytea,
                CASE WHEN n < 25 THEN '\\x0000000007'::bytea ELSE convert_to('{\"n\":' || n || '}', 'UTF8') END,
                '{\"dlq.rule\": \"x\"}', 'wind_speed_mps is 80, allowed is [0, 75]',
                CASE WHEN n % 4 < 2 THEN 'wind_speed_mps' ELSE 'undecodable' END, 'wind_speed_mps', '80', '[0, 75]',
                CASE WHEN n < 25 THEN 'windfarm.readings' END, CASE WHEN n < 25 THEN 3 END, CASE WHEN n < 25 THEN n END,
                CASE WHEN n < 25 THEN timestamptz '2026-11-23 09:59:59Z' END,
                CASE WHEN n < 25 THEN 'stream-aggregator' ELSE 'api' END
            FROM generate_series(0, 29) AS n;",
    )
    .await;
}

/// Runs SQL that only tests write.
pub(crate) async fn run(database: &PgPool, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(database)
        .await
        .unwrap();
}
