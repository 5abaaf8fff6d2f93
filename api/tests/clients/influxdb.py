"""InfluxDB's own client for Python, as people use it, against the address and the token that it is told.

What it ends with is checked by the test that runs it: the readings that are on Kafka.
"""

import sys
from datetime import datetime, timedelta, timezone

from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.write_api import SYNCHRONOUS

URL, TOKEN = sys.argv[1:]
START = datetime(2026, 11, 23, 10, 0, 0, tzinfo=timezone.utc)


def client(token=TOKEN, **options):
    return InfluxDBClient(url=URL, token=token, org="windpark", **options)


def point(turbine, second, speed):
    return (
        Point("reading")
        .tag("farm_id", "north")
        .tag("turbine_id", turbine)
        .field("wind_speed_mps", speed)
        .field("sequence", second)
        .time(START + timedelta(seconds=second), WritePrecision.US)
    )


def asks_who_is_there():
    with client() as influx:
        assert influx.ping()
        assert influx.version().startswith("veleta-"), influx.version()
        assert influx.build() == "Veleta", influx.build()
        health = influx.health()
        assert (health.status, health.message) == ("pass", "ready for writes"), health


def writes_and_waits(turbine, **options):
    with client(**options) as influx, influx.write_api(write_options=SYNCHRONOUS) as writing:
        writing.write(bucket="readings", record=point(turbine, 0, 8.0))
        writing.write(bucket="readings", record=[point(turbine, second, 8.0) for second in range(1, 10)])
        as_dict = {
            "measurement": "reading",
            "tags": {"farm_id": "north", "turbine_id": turbine},
            "fields": {"wind_speed_mps": 8.0, "sequence": 10},
            "time": "2026-11-23T10:00:10Z",
        }
        writing.write(bucket="readings", record=as_dict)
        seconds = int(START.timestamp()) + 11
        line = f"reading,farm_id=north,turbine_id={turbine} wind_speed_mps=8.0,sequence=11i {seconds}"
        writing.write(bucket="readings", record=line, write_precision=WritePrecision.S)
        writing.write(bucket="readings", record=line.replace("11", "12").encode(), write_precision="s")


def writes_in_batches():
    told = {"written": 0, "lost": []}

    def success(_, data):
        told["written"] += data.count(b"\n") + 1

    def error(_, data, exception):
        told["lost"].append((data, exception))

    options = WriteOptions(batch_size=64, flush_interval=200, retry_interval=100)
    with client() as influx:
        callbacks = {"success_callback": success, "error_callback": error, "retry_callback": error}
        with influx.write_api(write_options=options, **callbacks) as writing:
            for second in range(1_000):
                writing.write(bucket="readings", record=point("batched", second, 9.0))
    assert told == {"written": 1_000, "lost": []}, told


def is_told_what_is_wrong():
    with client() as influx, influx.write_api(write_options=SYNCHRONOUS) as writing:
        refuses(400, "partial write: line 2: wind_speed_mps is 80.5, allowed is [0, 75]; dropped=1", writing,
                [point("judged", 0, 8.0), point("judged", 1, 80.5)])
        refuses(400, "line 1:", writing, "reading,farm_id=north")
    with client(token="wrong") as influx, influx.write_api(write_options=SYNCHRONOUS) as writing:
        refuses(401, "unauthorized access", writing, point("judged", 2, 8.0))


def refuses(status, message, writing, record):
    try:
        writing.write(bucket="readings", record=record)
    except InfluxDBError as error:
        assert error.response.status == status, error
        assert message in error.message, error.message
    else:
        raise AssertionError(f"{record} was taken")


asks_who_is_there()
writes_and_waits("plain")
writes_and_waits("packed", enable_gzip=True)
writes_in_batches()
is_told_what_is_wrong()
