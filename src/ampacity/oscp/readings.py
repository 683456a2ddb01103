"""Measurements on the wire → readings of our own, pure."""

from collections.abc import Sequence

from ampacity.errors import Unsuitable
from ampacity.oscp.profiles import PeerProfile
from ampacity.oscp.values import PHASE_NUMBERS, moment_from, number_from, text_from
from ampacity.oscp.wire import AssetMeasurement, EnergyMeasurement, InstantaneousMeasurement
from ampacity.peers.metering import Reading


def group_readings(measurements: Sequence[EnergyMeasurement], profile: PeerProfile) -> list[Reading]:
    """Readings of a group's registers.

    Raises:
        Unsuitable: a time or a number that is none.
    """
    return [_energy(m, profile, f"measurements[{n}]") for n, m in enumerate(measurements)]


def asset_readings(measurements: Sequence[AssetMeasurement], profile: PeerProfile) -> list[Reading]:
    """Readings of the registers, and samples of the power, of assets."""
    found = []
    for n, m in enumerate(measurements):
        place, asset_id = f"measurements[{n}]", text_from(m.asset_id)
        if m.energy_measurement:
            at = f"{place}.energy_measurement"
            found.append(_energy(m.energy_measurement, profile, at, asset_id, m.asset_category))
        if m.instantaneous_measurement:
            at = f"{place}.instantaneous_measurement"
            found.append(_instantaneous(m.instantaneous_measurement, profile, at, asset_id, m.asset_category))
    return found


def _energy(m: EnergyMeasurement, profile: PeerProfile, place: str, asset_id: str = "", category: str = "") -> Reading:
    value = number_from(m.value, profile, f"{place}.value")
    since = m.initial_measure_time or None
    return Reading(
        measured_at=moment_from(m.measure_time, profile, f"{place}.measure_time"),
        value=value * (1000.0 if m.unit == "KWH" else 1.0),
        phase=PHASE_NUMBERS[m.phase],
        direction=m.direction,
        energy_type=m.energy_type or "TOTAL",
        since=None if since is None else moment_from(since, profile, f"{place}.initial_measure_time"),
        asset_id=asset_id,
        category=category,
    )


def _instantaneous(
    m: InstantaneousMeasurement, profile: PeerProfile, place: str, asset_id: str, category: str
) -> Reading:
    value = number_from(m.value, profile, f"{place}.value")
    if m.unit in ("WH", "KWH"):
        raise Unsuitable(f"{place}.unit: {m.unit} is no unit of a power")
    return Reading(
        measured_at=moment_from(m.measure_time, profile, f"{place}.measure_time"),
        value=value * (1000.0 if m.unit == "KW" else 1.0),
        quantity="A" if m.unit == "A" else "W",
        phase=PHASE_NUMBERS[m.phase],
        asset_id=asset_id,
        category=category,
    )
