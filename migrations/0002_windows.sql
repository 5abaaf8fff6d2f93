-- What the readings come to, window by window, of a farm and of each of its turbines.
--
-- Stored is the state that merges exactly (count, mean, m2; for directions the sums of sine and cosine); what
-- follows from it is a virtual column, so that the two can never disagree. The formulas are those of the programs'
-- statistics, and a test holds them together.

CREATE TYPE close_reason AS ENUM ('STREAM_TIME', 'IDLE');

CREATE TABLE farm_windows (
    farm_id         text COLLATE "C" NOT NULL,
    window_start    timestamptz NOT NULL,
    window_end      timestamptz NOT NULL,
    revision        integer NOT NULL,
    close_reason    close_reason,
    reading_count   bigint NOT NULL,
    duplicate_count bigint NOT NULL,
    rejected_count  bigint NOT NULL,
    turbine_count   bigint NOT NULL,
    energy_kwh      float8,
    kafka_partition integer,
    kafka_offset    bigint,
    PRIMARY KEY (farm_id, window_start)
) PARTITION BY RANGE (window_start);

CREATE TABLE turbine_windows (
    farm_id         text COLLATE "C" NOT NULL,
    turbine_id      text COLLATE "C" NOT NULL,
    window_start    timestamptz NOT NULL,
    window_end      timestamptz NOT NULL,
    revision        integer NOT NULL,
    close_reason    close_reason,
    reading_count   bigint NOT NULL,
    duplicate_count bigint NOT NULL,
    rejected_count  bigint NOT NULL,
    turbine_count   bigint GENERATED ALWAYS AS (1) VIRTUAL,
    energy_kwh      float8,
    kafka_partition integer,
    kafka_offset    bigint,
    PRIMARY KEY (farm_id, turbine_id, window_start)
) PARTITION BY RANGE (window_start);

COMMENT ON TABLE farm_windows IS 'windows of whole farms; partitioned by day (UTC) of window_start';
COMMENT ON TABLE turbine_windows IS 'windows of single turbines; partitioned by day (UTC) of window_start';
COMMENT ON COLUMN farm_windows.revision IS '0 as the window closed; one more each time that late readings changed it';
COMMENT ON COLUMN farm_windows.close_reason IS 'null for a window that only late readings made';
COMMENT ON COLUMN farm_windows.kafka_offset IS 'of its record; null for a window that only late readings made';
COMMENT ON COLUMN farm_windows.energy_kwh IS 'sum over turbines of mean active power times the length of the window';

-- The columns of each metric: %1$s stands for its name.
DO $columns$
DECLARE
    scalar_state CONSTANT text := '
        ADD %1$s_count bigint NOT NULL DEFAULT 0,
        ADD %1$s_mean float8,
        ADD %1$s_m2 float8,
        ADD %1$s_stddev float8 GENERATED ALWAYS AS
            (sqrt(greatest(%1$s_m2, 0) / nullif(%1$s_count, 0))) VIRTUAL';
    -- Below a resultant of 1e-9 the directions cancel out: no mean, no deviation. A tiny negative angle turned
    -- into [0, 360) rounds to 360 itself, hence coalesce(nullif(…, 360), 0).
    direction_state CONSTANT text := '
        ADD %1$s_count bigint NOT NULL DEFAULT 0,
        ADD %1$s_sum_sin float8,
        ADD %1$s_sum_cos float8,
        ADD %1$s_mean float8 GENERATED ALWAYS AS
            (CASE WHEN sqrt(%1$s_sum_sin * %1$s_sum_sin + %1$s_sum_cos * %1$s_sum_cos) / nullif(%1$s_count, 0) >= 1e-9
                THEN coalesce(nullif(degrees(atan2(%1$s_sum_sin, %1$s_sum_cos))
                    - 360 * floor(degrees(atan2(%1$s_sum_sin, %1$s_sum_cos)) / 360), 360), 0) END) VIRTUAL,
        ADD %1$s_resultant float8 GENERATED ALWAYS AS
            (CASE WHEN %1$s_count > 0
                THEN least(sqrt(%1$s_sum_sin * %1$s_sum_sin + %1$s_sum_cos * %1$s_sum_cos) / %1$s_count, 1) END) VIRTUAL,
        ADD %1$s_stddev float8 GENERATED ALWAYS AS
            (CASE WHEN sqrt(%1$s_sum_sin * %1$s_sum_sin + %1$s_sum_cos * %1$s_sum_cos) / nullif(%1$s_count, 0) >= 1e-9
                THEN degrees(sqrt(greatest(-2 * ln(
                    sqrt(%1$s_sum_sin * %1$s_sum_sin + %1$s_sum_cos * %1$s_sum_cos) / %1$s_count), 0))) END) VIRTUAL';
    farm_extremes CONSTANT text := '
        ADD %1$s_min float8,
        ADD %1$s_min_turbine_id text COLLATE "C",
        ADD %1$s_min_time timestamptz,
        ADD %1$s_max float8,
        ADD %1$s_max_turbine_id text COLLATE "C",
        ADD %1$s_max_time timestamptz';
    turbine_extremes CONSTANT text := '
        ADD %1$s_min float8,
        ADD %1$s_min_turbine_id text COLLATE "C" GENERATED ALWAYS AS
            (CASE WHEN %1$s_count > 0 THEN turbine_id END) VIRTUAL,
        ADD %1$s_min_time timestamptz,
        ADD %1$s_max float8,
        ADD %1$s_max_turbine_id text COLLATE "C" GENERATED ALWAYS AS
            (CASE WHEN %1$s_count > 0 THEN turbine_id END) VIRTUAL,
        ADD %1$s_max_time timestamptz';
    metric text;
    state  text;
BEGIN
    FOREACH metric IN ARRAY ARRAY[
        'wind_speed_mps', 'wind_direction_deg', 'active_power_kw', 'theoretical_power_kw', 'rotor_speed_rpm',
        'blade_pitch_deg', 'nacelle_direction_deg', 'ambient_temperature_celsius'
    ] LOOP
        state := CASE WHEN metric IN ('wind_direction_deg', 'nacelle_direction_deg')
                 THEN direction_state ELSE scalar_state END;
        EXECUTE format('ALTER TABLE farm_windows' || state || ',' || farm_extremes, metric);
        EXECUTE format('ALTER TABLE turbine_windows' || state || ',' || turbine_extremes, metric);
    END LOOP;
END
$columns$;
