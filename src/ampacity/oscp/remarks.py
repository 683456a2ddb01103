"""What is not quite right in a message that we take all the same: for the developers who sent it; pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

_MESSAGES = {
    "register", "handshake", "handshake_acknowledge", "heartbeat", "adjust_group_capacity_forecast",
    "group_capacity_compliance_error", "update_group_measurements", "update_asset_measurements",
}  # fmt: skip
_ANSWERS = ("handshake_acknowledge", "handshake_acknowledgment", "group_capacity_compliance_error")


def remarks_on(message: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Deviations from OSCP 2.0 that other Capacity Providers may refuse; headers with names in lower case.

    >>> remarks_on("heartbeat", {"x-request-id": "1"}, b'{"offline_mode_at": "2026-01-01 10:00:00"}')
    ["offline_mode_at: '2026-01-01 10:00:00' is no RFC 3339 date-time with a zone"]
    """
    found = []
    if message not in _MESSAGES:
        found.append(f"the path is {message}, not one of the protocol's")
    if not headers.get("x-request-id"):
        found.append("X-Request-ID is missing")
    if message in _ANSWERS and not headers.get("x-correlation-id"):
        found.append("X-Correlation-ID is missing: it names the message that this one answers")
    try:
        content = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError as wrong:
        return [*found, f"the body is no JSON: {wrong}"]
    if message.startswith("handshake") and isinstance(content, dict):
        found += _on_handshake(content)
    if isinstance(content, dict) and content.get("measurements") == []:
        found.append("measurements is empty: the schema wants one at least")
    return found + list(_in_values("", content))


def _on_handshake(content: Mapping[str, Any]) -> list[str]:
    behaviour = content.get("required_behaviour")
    if behaviour is None:
        flat = {"heartbeat_interval", "measurement_configuration"} & set(content)
        return ["the level required_behaviour is missing"] if flat else []
    if isinstance(behaviour, dict) and "measurement_configuration" not in behaviour:
        return ["required_behaviour.measurement_configuration is missing; an empty list is allowed"]
    return []


def _in_values(place: str, value: object) -> list[str]:
    """Times without a zone and numbers in quotes, wherever they are."""
    if isinstance(value, dict):
        return [r for name, inner in value.items() for r in _in_values(f"{place}.{name}".strip("."), inner)]
    if isinstance(value, list):
        return [r for n, inner in enumerate(value[:200]) for r in _in_values(f"{place}[{n}]", inner)]
    name = place.rpartition(".")[2]
    if isinstance(value, str) and (name.endswith("_time") or name == "offline_mode_at") and not _is_rfc3339(value):
        return [f"{place}: {value!r} is no RFC 3339 date-time with a zone"]
    if isinstance(value, str) and name in {"capacity", "value", "heartbeat_interval"}:
        return [f"{place}: {value!r} is a string, not a number"]
    return []


def _is_rfc3339(text: str) -> bool:
    has_zone = text[-1:] in {"Z", "z"} or text[-6:-5] in {"+", "-"}
    return len(text) >= 20 and text[10:11] in {"T", "t"} and has_zone
