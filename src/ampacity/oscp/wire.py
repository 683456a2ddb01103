"""The messages of OSCP 2.0 as they stand on the wire: its names, its order.

Times and numbers are typed as loosely as real peers write them; `mapping` makes them
strict on the way out and judges them on the way in.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

VERSION = "2.0"

Number = float | str  # some peers write numbers as strings
Text = Annotated[str, Meta(max_length=767)]
Time = Annotated[str, Meta(max_length=64)]
Phase = Literal["UNKNOWN", "ONE", "TWO", "THREE", "ALL"]
BlockUnit = Literal["A", "W", "KW", "WH", "KWH"]
ForecastType = Literal["CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM"]
MeasurementConfiguration = Literal["CONTINUOUS", "INTERMITTENT"]


class VersionUrl(Struct, frozen=True, kw_only=True):
    version: Text
    base_url: Annotated[str, Meta(max_length=2048)]


class Register(Struct, frozen=True, kw_only=True):
    token: Annotated[str, Meta(min_length=1, max_length=767, pattern="^[!-~]+$")]
    version_url: Annotated[list[VersionUrl], Meta(min_length=1, max_length=32)]


class RequiredBehaviour(Struct, frozen=True, kw_only=True, omit_defaults=True):
    heartbeat_interval: Number | UnsetType | None = UNSET
    measurement_configuration: list[MeasurementConfiguration] | UnsetType | None = UNSET


class Handshake(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Also HandshakeAcknowledge.  Some peers leave out the level of `required_behaviour`."""

    required_behaviour: RequiredBehaviour | UnsetType | None = UNSET
    heartbeat_interval: Number | UnsetType | None = UNSET
    measurement_configuration: list[MeasurementConfiguration] | UnsetType | None = UNSET


class Heartbeat(Struct, frozen=True, kw_only=True):
    offline_mode_at: Time


class ForecastedBlock(Struct, frozen=True, kw_only=True):
    capacity: Number
    phase: Phase
    unit: BlockUnit
    start_time: Time
    end_time: Time


class GroupCapacityForecast(Struct, frozen=True, kw_only=True):
    """UpdateGroupCapacityForecast and AdjustGroupCapacityForecast."""

    group_id: Text
    type: ForecastType
    forecasted_blocks: Annotated[list[ForecastedBlock], Meta(min_length=1)]


class EncodedForecast(Struct, frozen=True, kw_only=True):
    """UpdateGroupCapacityForecast on its way out, its blocks encoded already."""

    group_id: Text
    type: ForecastType
    forecasted_blocks: Raw


class GroupCapacityComplianceError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    message: Annotated[str, Meta(max_length=10_000)]
    forecasted_blocks: list[ForecastedBlock] | UnsetType | None = UNSET


class EnergyMeasurement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    value: Number
    phase: Phase
    unit: Literal["WH", "KWH"]
    direction: Literal["NET", "IMPORT", "EXPORT"]
    energy_type: Literal["FLEXIBLE", "NONFLEXIBLE", "TOTAL"] | UnsetType | None = UNSET
    measure_time: Time
    initial_measure_time: Time | UnsetType | None = UNSET


class UpdateGroupMeasurements(Struct, frozen=True, kw_only=True):
    group_id: Text
    measurements: list[EnergyMeasurement]


class InstantaneousMeasurement(Struct, frozen=True, kw_only=True):
    value: Number
    phase: Phase
    unit: BlockUnit
    measure_time: Time


class AssetMeasurement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    asset_id: Text
    asset_category: Literal["CHARGING", "CONSUMPTION", "GENERATION", "STORAGE"]
    energy_measurement: EnergyMeasurement | UnsetType | None = UNSET
    instantaneous_measurement: InstantaneousMeasurement | UnsetType | None = UNSET


class UpdateAssetMeasurements(Struct, frozen=True, kw_only=True):
    group_id: Text
    measurements: list[AssetMeasurement]


class Error(Struct, frozen=True, kw_only=True):
    message: str
