"""What OpenAPI cannot say of our parameters: how they hang together."""

import os
import uuid
from datetime import datetime

import schemathesis
from hypothesis import strategies as st

METRICS = ["wind_speed_mps", "wind_direction_deg", "active_power_kw", "ambient_temperature_celsius"]

schemathesis.openapi.format("iana-time-zone", st.sampled_from(["UTC", "Europe/Madrid", "Asia/Kolkata", "America/St_Johns"]))
schemathesis.openapi.format("metrics", st.lists(st.sampled_from(METRICS), min_size=1, unique=True).map(",".join))

LINES = [
    "reading,farm_id=north,turbine_id=T1 wind_speed_mps=8.4",
    "wind_turbine,location=north LV_ActivePower_kW=380.04,Wind_Speed_ms=5.31",
]
schemathesis.openapi.format("line-protocol", st.lists(st.sampled_from(LINES), min_size=1, max_size=3).map("\n".join))

schemathesis.serializer.alias("application/x-ndjson", "text/plain")

OWN_KEY = os.environ["OWN_KEY_ID"]


def time(text):
    try:
        return datetime.fromisoformat(str(text).upper().replace("Z", "+00:00"))
    except ValueError:
        return None


def is_backwards(query):
    begin, end = time(query.get("from")), time(query.get("to"))
    try:
        return begin is not None and end is not None and end < begin
    except TypeError:
        return False


def is_possible(query):
    """A range does not end before it begins, files have any number of rows, and only minutes in JSON are provisional."""
    is_file = query.get("format") in ("csv", "parquet")
    if is_backwards(query) or (is_file and "limit" in query):
        return False
    if str(query.get("provisional", "false")).lower() == "true":
        return not is_file and query.get("resolution", "1m") == "1m"
    return True


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def filter_case(context, case):
    is_own = str((case.path_parameters or {}).get("id")) == OWN_KEY
    return not is_own and is_possible(case.query or {})


@schemathesis.hook
def before_call(context, case, kwargs):
    """Measurements are not of a time to come, a key ends in one way only, and a name of a request is for one request. And
    nobody saws at the branch that all others sit on: stateful tests choose ids of their own."""
    if str((case.path_parameters or {}).get("id")) == OWN_KEY:
        case.path_parameters["id"] = "1"
    if is_positive(case):
        if isinstance(case.body, dict):
            case.body.pop("expires_at", None)
            if "timestamp" in case.body:
                case.body["timestamp"] = "2026-01-01T00:00:00Z"
        if case.headers and "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = uuid.uuid4().hex
