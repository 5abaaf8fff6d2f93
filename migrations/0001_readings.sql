-- What the turbines said, and which farms and turbines there are.
--
-- Ids are COLLATE "C": they are plain ASCII, and comparing bytes is what makes the keys fast and their order
-- that of the programs.

CREATE TYPE operating_status AS ENUM (
    'UNKNOWN', 'GENERATING', 'DERATED', 'IDLE', 'STARTING', 'STOPPED', 'MAINTENANCE', 'FAULT'
);

CREATE TABLE farms (
    farm_id          text COLLATE "C" PRIMARY KEY,
    first_event_time timestamptz NOT NULL,
    last_event_time  timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE turbines (
    farm_id          text COLLATE "C" NOT NULL,
    turbine_id       text COLLATE "C" NOT NULL,
    first_event_time timestamptz NOT NULL,
    last_event_time  timestamptz NOT NULL,
    PRIMARY KEY (farm_id, turbine_id)
) WITH (fillfactor = 50);

CREATE TABLE readings (
    farm_id                     text COLLATE "C" NOT NULL,
    turbine_id                  text COLLATE "C" NOT NULL,
    event_time                  timestamptz NOT NULL,
    sequence                    bigint,
    wind_speed_mps              float8,
    wind_direction_deg          float8,
    active_power_kw             float8,
    theoretical_power_kw        float8,
    rotor_speed_rpm             float8,
    blade_pitch_deg             float8,
    nacelle_direction_deg       float8,
    ambient_temperature_celsius float8,
    operating_status            operating_status,
    kafka_partition             integer NOT NULL,
    kafka_offset                bigint NOT NULL,
    appended_at                 timestamptz NOT NULL,
    PRIMARY KEY (farm_id, turbine_id, event_time)
) PARTITION BY RANGE (event_time);

COMMENT ON TABLE readings IS 'every valid reading once; partitioned by day (UTC) of event_time';
COMMENT ON COLUMN readings.sequence IS 'the sender''s own count per turbine';
COMMENT ON COLUMN readings.appended_at IS 'when the broker appended it to the log';
