"""Messages: own → wire, strict in what goes out, and what a handshake says, tolerant in what comes in; pure.

Amperes, kilowatts and blocks exist only at the wire.  Capacities are rounded down.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import UNSET, UnsetType

from ampacity.network.types import PowerUnit
from ampacity.oscp.blocks import encoded_blocks
from ampacity.oscp.profiles import PeerProfile
from ampacity.oscp.values import PHASE_NAMES, number_from, time_text
from ampacity.oscp.wire import (
    VERSION,
    BlockUnit,
    EncodedForecast,
    Handshake,
    Heartbeat,
    Phase,
    Register,
    RequiredBehaviour,
    VersionUrl,
)
from ampacity.peers.types import Behaviour, Connection, Figures, OutboundForecast, Watts
from ampacity.timegrid import QUARTERS_PER_DAY

_STEPS_PER_UNIT = {PowerUnit.A: 10.0, PowerUnit.W: 1.0, PowerUnit.KW: 100.0}  # rounded down to 0.1 A, 1 W, 0.01 KW
_WATTS_PER_UNIT = {PowerUnit.W: 1.0, PowerUnit.KW: 1000.0}
_BLOCK_UNITS: dict[PowerUnit, BlockUnit] = {PowerUnit.A: "A", PowerUnit.W: "W", PowerUnit.KW: "KW"}
_REACHES_ON = QUARTERS_PER_DAY + 2  # until the next one comes a peer holds a day
_HAIR = 1e-7  # what float32 loses, relatively, of a figure that is exactly a step


def register_message(token: str, base_url: str) -> Register:
    return Register(token=token, version_url=[VersionUrl(version=VERSION, base_url=base_url)])


def chosen_url(message: Register) -> str | None:
    """The base URL of the version that we speak; None: the peer offers no such version.

    >>> chosen_url(register_message("t", "https://peer.example/oscp/fp/2.0/"))
    'https://peer.example/oscp/fp/2.0'
    """
    return next((v.base_url.rstrip("/") for v in message.version_url if v.version.strip() == VERSION), None)


def handshake_message(demands: Behaviour, profile: PeerProfile) -> Handshake:
    """The body of Handshake and HandshakeAcknowledge: nested, unless the peer reads it flat."""
    interval: float | UnsetType = UNSET
    if demands.heartbeat_interval_s is not None:
        interval = _whole(demands.heartbeat_interval_s)
    configuration = [m for m in ("CONTINUOUS", "INTERMITTENT") if m in demands.measurements]
    if profile.flat_handshake:
        return Handshake(heartbeat_interval=interval, measurement_configuration=configuration)
    behaviour = RequiredBehaviour(heartbeat_interval=interval, measurement_configuration=configuration)
    return Handshake(required_behaviour=behaviour)


def behaviour_from(message: Handshake, profile: PeerProfile) -> Behaviour:
    """What a peer demands of us; nested or flat, the missing parts filled from its profile.

    An interval below 1 s is taken as none: the text of the protocol forbids it, its schema does not.
    """
    nested = message.required_behaviour or None
    interval = (nested.heartbeat_interval if nested else None) or message.heartbeat_interval or None
    configuration = (nested.measurement_configuration if nested else None) or message.measurement_configuration or ()
    seconds = profile.wants_interval
    if interval is not None:
        asked = float(interval) if isinstance(interval, str) and _is_number(interval) else interval
        told = number_from(asked, profile, "heartbeat_interval")
        seconds = min(told, 86_400.0) if told >= 1 else None
    return Behaviour(heartbeat_interval_s=seconds, measurements=tuple(dict.fromkeys(configuration)))


def heartbeat_message(offline_mode_at: datetime, profile: PeerProfile) -> Heartbeat:
    if profile.naive_heartbeat:
        local = offline_mode_at.astimezone(ZoneInfo(profile.zone or "UTC"))
        return Heartbeat(offline_mode_at=f"{local:%Y-%m-%d %H:%M:%S}")
    return Heartbeat(offline_mode_at=time_text(offline_mode_at, milliseconds=profile.milliseconds))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value


# --- capacity forecasts out


def forecast_message(forecast: OutboundForecast, profile: PeerProfile) -> EncodedForecast:
    """The message for a forecast: in the group's unit, in blocks of the length that the peer takes."""
    figures = forecast.figures
    first, following, capacity_w = coarser(
        figures.first_quarter, figures.step_quarters, figures.capacity_w, profile.block_minutes // 15
    )
    phases, values = on_the_wire(capacity_w, forecast.group, by_phase=profile.power_by_phase)
    blocks = encoded_blocks(
        values, phases, _BLOCK_UNITS[forecast.group.unit], (first, *following),
        milliseconds=profile.milliseconds, as_strings=profile.numbers_as_strings,
    )  # fmt: skip
    return EncodedForecast(group_id=forecast.group.group_id, type=forecast.kind.value, forecasted_blocks=blocks)


def says_the_same(forecast: OutboundForecast, last: Figures, profile: PeerProfile) -> bool:
    """Whether the last forecast says the same for the time of both, and still reaches far enough."""
    now = forecast.figures
    if last.step_quarters != now.step_quarters or (now.first_quarter - last.first_quarter) % now.step_quarters:
        return False
    passed = (now.first_quarter - last.first_quarter) // now.step_quarters
    both = min(len(now.capacity_w), len(last.capacity_w) - passed)
    if passed < 0 or last.end_quarter - now.first_quarter < _REACHES_ON:
        return False
    before_w, after_w = last.capacity_w[passed : passed + both], now.capacity_w[:both]
    by_phase = profile.power_by_phase
    return on_the_wire(before_w, forecast.group, by_phase=by_phase) == on_the_wire(
        after_w, forecast.group, by_phase=by_phase
    )


def on_the_wire(capacity_w: Watts, group: Connection, *, by_phase: bool) -> tuple[Sequence[Phase], list[float]]:
    """The phases that get blocks, and the value that each of them gets, rounded down.

    >>> from ampacity.network.types import PowerUnit
    >>> g = Connection(group_no=0, group_id="g", provider_no=0, unit=PowerUnit.A, phases=(1, 2, 3),
    ...     phase_voltage_v=230.0, contracted_w=11e3)
    >>> on_the_wire(np.array([11_000], np.float32), g, by_phase=False)
    (['ONE', 'TWO', 'THREE'], [15.9])
    """
    split = group.unit is PowerUnit.A or by_phase
    phases: list[Phase] = [PHASE_NAMES[p] for p in group.phases] if split else ["ALL"]
    per_block_w = np.maximum(capacity_w.astype(np.float64), 0.0) / len(phases)
    per_unit_w = group.phase_voltage_v if group.unit is PowerUnit.A else _WATTS_PER_UNIT[group.unit]
    steps = _STEPS_PER_UNIT[group.unit]
    return phases, (np.floor(per_block_w / per_unit_w * steps * (1.0 + _HAIR) + _HAIR) / steps).tolist()


def coarser(first: int, step: int, capacity_w: Watts, block_quarters: int) -> tuple[int, list[int], Watts]:
    """Blocks of at least `block_quarters`, aligned to the clock: first edge, following edges, the least of each.

    >>> coarser(2, 1, np.array([5, 4, 3, 2, 1], np.float32), 4)
    (2, [4, 7], array([4., 1.], dtype=float32))
    """
    edges = first + step * np.arange(1, len(capacity_w) + 1)
    if block_quarters <= step or not len(capacity_w):
        return first, edges.tolist(), capacity_w
    block = (edges - step) // block_quarters
    starts = np.flatnonzero(np.diff(block, prepend=block[0] - 1))
    ends = edges[np.append(starts[1:], len(edges)) - 1]
    return first, ends.tolist(), np.minimum.reduceat(capacity_w, starts)
