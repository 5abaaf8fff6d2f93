-- Each role may do what its program does, and no more.

GRANT USAGE ON SCHEMA windfarm TO windfarm_sink, windfarm_api;

GRANT SELECT, INSERT ON readings, dead_letters TO windfarm_sink;
GRANT SELECT, INSERT, UPDATE
    ON farms, turbines, farm_windows, turbine_windows, duplicates, kafka_offsets TO windfarm_sink;
GRANT SELECT, INSERT, UPDATE, DELETE ON late_marks TO windfarm_sink;
GRANT EXECUTE ON FUNCTION ensure_days TO windfarm_sink;

GRANT SELECT ON farms, turbines, readings, farm_windows, turbine_windows,
    dead_letters, duplicates, kafka_offsets, late_marks TO windfarm_api;
GRANT SELECT, INSERT, UPDATE ON api_keys TO windfarm_api;
