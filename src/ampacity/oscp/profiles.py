"""How one counterpart deviates from the protocol, and presets for those that are known.

Each trait can be set per peer: `peers add PROVIDER --profile '{"preset": "pyoscp", "zone": "Europe/Berlin"}'`.
What the presets say was observed or read, see the comments.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from ampacity.errors import Unsuitable


class PeerProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The traits of one peer."""

    preset: str = ""
    zone: str | None = None  # in which its date-times without a zone are; none: they are refused
    naive_heartbeat: bool = False  # it wants `2026-11-21 00:48:58` in its zone as offline_mode_at
    milliseconds: bool = False  # three fraction digits on our times instead of none
    paths: dict[str, str] = {}  # message path → the path it serves instead
    headers: dict[str, str] = {}
    flat_handshake: bool = False
    numbers_as_strings: bool = False  # it reads and writes capacities as strings
    heartbeat_interval_s: Annotated[float, Meta(ge=1)] | None = None  # what we ask of it; none: the setting
    wants_interval: Annotated[float, Meta(ge=1)] | None = None  # what it is taken to ask where it says nothing
    body_timeout_s: Annotated[float, Meta(gt=0)] | None = None  # how long its messages may take to come in
    block_minutes: Literal[15, 30, 60] = 15
    power_by_phase: bool = False  # W and KW per phase as well, not as one block ALL
    changes_only: bool = False
    every_forecast: bool = False  # of every cycle, changed or not
    refusal: Literal["forecast", "compliance_error", "silence"] = "forecast"


PRESETS: dict[str, dict[str, object]] = {
    # Beats at most once a minute; its dates take exactly 0 or 3 fraction digits.
    "solarnetwork": {"heartbeat_interval_s": 60.0},
    # Twenty-four hourly blocks are its practice; it sends no heartbeats.
    "taipower": {"block_minutes": 60, "zone": "Asia/Taipei"},
    # Its heartbeats are in local time without a zone, and it answers 500 to any other form.
    "pyoscp": {
        "zone": "UTC",
        "naive_heartbeat": True,
        "paths": {"handshake_acknowledge": "handshake_acknowledgment"},
    },
    # Flat handshakes, capacities as strings.
    "oscp-sdk": {"flat_handshake": True, "numbers_as_strings": True},
}


def profile_of(traits: Mapping[str, object]) -> PeerProfile:
    """The profile that stored traits describe: a preset's, with what is set beside it.

    Raises:
        Unsuitable: an unknown preset, trait, zone or value.
    """
    return _profile(msgspec.json.encode(traits, order="sorted"))


@lru_cache(maxsize=4096)
def _profile(traits_json: bytes) -> PeerProfile:
    traits = msgspec.json.decode(traits_json, type=dict[str, object])
    preset = traits.get("preset") or ""
    if preset and preset not in PRESETS:
        raise Unsuitable(f"profile: preset {preset!r} is unknown; there are {', '.join(PRESETS)}")
    try:
        profile = msgspec.convert({**PRESETS.get(str(preset), {}), **traits}, PeerProfile)
    except msgspec.ValidationError as wrong:
        raise Unsuitable(f"profile: {wrong}") from wrong
    if profile.zone is not None:
        _zone(profile.zone)
    return profile


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise Unsuitable(f"profile: there is no time zone {name!r}") from unknown
