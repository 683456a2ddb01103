"""What we send fits the protocol's own schemas, and what fits them we take; to our words and back nothing is lost."""

# ruff: noqa: DTZ001  # hypothesis adds the zone

import itertools
import json
from datetime import UTC, datetime, timedelta

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource

from ampacity.errors import Unsuitable
from ampacity.network.types import ForecastKind, PowerUnit
from ampacity.oscp import mapping, wire
from ampacity.oscp.profiles import PRESETS, PeerProfile, profile_of
from ampacity.oscp.readings import asset_readings, group_readings
from ampacity.oscp.values import moment_from, time_text
from ampacity.oscp.wanted import wanted_power
from ampacity.peers.types import Behaviour, Connection, Figures, OutboundForecast
from ampacity.timegrid import moment_of, quarter_at

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
Q0 = quarter_at(NOW)
PLAIN = PeerProfile()

phases = st.sampled_from([(1, 2, 3), (1,), (2,), (1, 3)])
groups = st.builds(
    Connection, group_no=st.just(0), group_id=st.text(min_size=1, max_size=20), provider_no=st.just(0),
    unit=st.sampled_from(PowerUnit), phases=phases, phase_voltage_v=st.floats(100, 20_000), contracted_w=st.just(1e5),
)  # fmt: skip
capacities = st.lists(st.floats(-10, 5e7, width=32), min_size=1, max_size=200).map(lambda v: np.array(v, np.float32))
forecasts = st.builds(
    OutboundForecast, message_id=st.just(1), group=groups, kind=st.sampled_from(ForecastKind), request_id=st.just("r"),
    correlation_id=st.none(), attempts=st.just(1),
    figures=st.builds(
        Figures, first_quarter=st.integers(Q0, Q0 + 7), step_quarters=st.sampled_from([1, 4]), capacity_w=capacities
    ),
)  # fmt: skip
profiles = st.builds(
    PeerProfile, milliseconds=st.booleans(), flat_handshake=st.just(False), block_minutes=st.sampled_from([15, 30, 60]),
    power_by_phase=st.booleans(),
)  # fmt: skip


@pytest.fixture(scope="module")
def valid(shared):
    """Checks a body against one of the schemas, formats too."""
    folder = shared / "oscp-schemas"
    schemas = {f.name: json.loads(f.read_text()) for f in folder.glob("*.json")}
    base = "http://www.openchargealliance.org/schemas/oscp/2.0/"
    registry = Registry().with_resources([(base + name, Resource.from_contents(s)) for name, s in schemas.items()])

    def check(name: str, body: object) -> None:
        schema = {**schemas[name], "$id": base + name}
        validator = jsonschema.Draft7Validator(
            schema, registry=registry, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
        )
        validator.validate(body)

    with pytest.raises(jsonschema.ValidationError):  # the checks are on: a time without a zone is none
        check("heartbeat.json", {"offline_mode_at": "2026-11-21 00:48:58"})
    return check


def body_of(message: msgspec.Struct) -> dict:
    return json.loads(msgspec.json.encode(message))


def decoded(message: wire.EncodedForecast) -> wire.GroupCapacityForecast:
    return msgspec.json.decode(msgspec.json.encode(message), type=wire.GroupCapacityForecast)


@settings(max_examples=150, deadline=None)
@given(forecast=forecasts, profile=profiles)
def test_blocks_are_encoded_as_their_structs_would_be(forecast, profile):
    encoded = msgspec.json.encode(mapping.forecast_message(forecast, profile))

    assert encoded == msgspec.json.encode(msgspec.json.decode(encoded, type=wire.GroupCapacityForecast))


@settings(max_examples=150, deadline=None)
@given(forecast=forecasts, profile=profiles)
def test_every_forecast_that_we_send_fits_the_schema(valid, forecast, profile):
    body = body_of(mapping.forecast_message(forecast, profile))

    valid("update-group-capacity-forecast.json", body)
    blocks = body["forecasted_blocks"]
    assert all(a["end_time"] == b["start_time"] for a, b in itertools.pairwise(blocks) if a["phase"] == b["phase"])


@settings(max_examples=150, deadline=None)
@given(forecast=forecasts, profile=profiles)
def test_never_tells_more_than_was_decided(forecast, profile):
    message = decoded(mapping.forecast_message(forecast, profile))
    group, figures = forecast.group, forecast.figures

    total_w = np.zeros(len(figures.capacity_w) * figures.step_quarters)
    for b in message.forecasted_blocks:
        first, end = (quarter_at(datetime.fromisoformat(t)) - figures.first_quarter for t in (b.start_time, b.end_time))
        per_unit_w = {"A": group.phase_voltage_v, "W": 1.0, "KW": 1000.0}[b.unit]
        total_w[first:end] += b.capacity * per_unit_w
    decided_w = np.repeat(np.maximum(figures.capacity_w, 0), figures.step_quarters).astype(float)
    step_w = len(group.phases) * {"A": group.phase_voltage_v / 10, "W": 1, "KW": 10}[group.unit]
    assert (total_w <= decided_w * (1 + 2e-7) + 1e-6 * step_w).all()
    if profile.block_minutes == 15:
        assert (total_w > decided_w - step_w * (1 + 1e-6)).all()  # and less than a step less


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*PRESETS, ""]),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.none() | st.floats(1, 1e5),
    st.sets(st.sampled_from(["CONTINUOUS", "INTERMITTENT"])),
)
def test_every_other_message_that_we_send_fits_its_schema(valid, preset, moment, interval, configuration):
    profile = profile_of({"preset": preset})
    demands = Behaviour(heartbeat_interval_s=interval, measurements=tuple(configuration))

    valid("register.json", body_of(mapping.register_message("x" * 64, "https://us.example/oscp/cp/2.0")))
    if not profile.flat_handshake:
        for name in ("handshake.json", "handshake-acknowledge.json"):
            valid(name, body_of(mapping.handshake_message(demands, profile)))
    if not profile.naive_heartbeat:
        valid("heartbeat.json", body_of(mapping.heartbeat_message(moment, profile)))
    valid("group-capacity-compliance-error.json", body_of(wire.GroupCapacityComplianceError(message="refused")))


# --- in: whatever fits a schema is taken

times = st.builds(
    lambda moment, fraction, zone, t: f"{moment:%Y-%m-%d}{t}{moment:%H:%M:%S}{fraction}{zone}",
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(["", ".5", ".123", ".123456", ".123456789"]),
    st.sampled_from(["Z", "z", "+00:00", "-05:30", "+14:00"]),
    st.sampled_from("Tt"),
)
numbers = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
texts = st.text(max_size=50)
more = st.dictionaries(
    texts.map(lambda t: "x_" + t), st.none() | st.booleans() | texts | st.lists(st.integers()), max_size=2
)
phase_names = st.sampled_from(["UNKNOWN", "ONE", "TWO", "THREE", "ALL"])
block_units = st.sampled_from(["A", "W", "KW", "WH", "KWH"])


def members(required: dict, optional: dict | None = None):
    return st.builds(lambda a, b: {**b, **a}, st.fixed_dictionaries(required, optional=optional or {}), more)


behaviours = members(
    {"measurement_configuration": st.lists(st.sampled_from(["CONTINUOUS", "INTERMITTENT"]), unique=True)},
    {"heartbeat_interval": numbers},
)
energies = members(
    {
        "value": numbers, "phase": phase_names, "unit": st.sampled_from(["WH", "KWH"]),
        "direction": st.sampled_from(["NET", "IMPORT", "EXPORT"]), "measure_time": times,
    },
    {"energy_type": st.sampled_from(["FLEXIBLE", "NONFLEXIBLE", "TOTAL"]), "initial_measure_time": times},
)  # fmt: skip
samples = members(
    {"value": numbers, "phase": phase_names, "unit": st.sampled_from(["A", "W", "KW"]), "measure_time": times}
)
assets = members(
    {"asset_id": texts, "asset_category": st.sampled_from(["CHARGING", "CONSUMPTION", "GENERATION", "STORAGE"])},
    {"energy_measurement": energies, "instantaneous_measurement": samples},
)
blocks = members(
    {
        "capacity": st.integers(0, 10**9) | st.floats(0, 1e9), "phase": phase_names, "unit": block_units,
        "start_time": times, "end_time": times,
    }
)  # fmt: skip
token_characters = st.characters(min_codepoint=33, max_codepoint=126)
BODIES = {
    "register.json": (
        wire.Register,
        members(
            {
                "token": st.text(token_characters, min_size=1, max_size=300),
                "version_url": st.lists(members({"version": texts, "base_url": texts}), min_size=1, max_size=3),
            }
        ),
    ),
    "handshake.json": (wire.Handshake, members({}, {"required_behaviour": behaviours})),
    "handshake-acknowledge.json": (wire.Handshake, members({}, {"required_behaviour": behaviours})),
    "heartbeat.json": (wire.Heartbeat, members({"offline_mode_at": times})),
    "adjust-group-capacity-forecast.json": (
        wire.GroupCapacityForecast,
        members(
            {
                "group_id": texts, "type": st.sampled_from([k.value for k in ForecastKind]),
                "forecasted_blocks": st.lists(blocks, min_size=1, max_size=3),
            }
        ),
    ),
    "group-capacity-compliance-error.json": (
        wire.GroupCapacityComplianceError,
        members({"message": texts}, {"forecasted_blocks": st.lists(blocks, min_size=1, max_size=2)}),
    ),
    "update-group-measurements.json": (
        wire.UpdateGroupMeasurements,
        members({"group_id": texts, "measurements": st.lists(energies, min_size=1, max_size=3)}),
    ),
    "update-asset-measurements.json": (
        wire.UpdateAssetMeasurements,
        members({"group_id": texts, "measurements": st.lists(assets, min_size=1, max_size=3)}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_every_body_that_fits_its_schema_is_taken(valid, name):
    kind, bodies = BODIES[name]

    @settings(max_examples=150, deadline=None)
    @given(bodies)
    def take(body):
        valid(name, body)
        message = msgspec.json.decode(json.dumps(body), type=kind)
        match message:
            case wire.Handshake():
                mapping.behaviour_from(message, PLAIN)
            case wire.Heartbeat():
                moment_from(message.offline_mode_at, PLAIN, "x")
            case wire.UpdateGroupMeasurements():
                assert len(group_readings(message.measurements, PLAIN)) == len(message.measurements)
            case wire.UpdateAssetMeasurements():
                asset_readings(message.measurements, PLAIN)
        assert body_of(message).items() <= body.items() or more_or_less(body_of(message), body)

    take()


def more_or_less(told: object, given_: object) -> bool:
    """What we read of a body is in it, whatever else is."""
    if isinstance(told, dict):
        return isinstance(given_, dict) and all(k in given_ and more_or_less(v, given_[k]) for k, v in told.items())
    if isinstance(told, list):
        return len(told) == len(given_) and all(more_or_less(a, b) for a, b in zip(told, given_, strict=True))
    return told == given_


# --- there and back


@settings(max_examples=150, deadline=None)
@given(group=groups, steps=st.lists(st.integers(0, 5000), min_size=1, max_size=60), by_phase=st.booleans())
def test_wire_to_own_to_wire_is_the_identity(group, steps, by_phase):
    profile = PeerProfile(power_by_phase=by_phase)
    names = [mapping.PHASE_NAMES[p] for p in group.phases]
    if group.unit is not PowerUnit.A and not by_phase:
        names = ["ALL"]
    scale = {"A": 10, "W": 1, "KW": 100}[group.unit]
    edges = [time_text(moment_of(Q0 + k)) for k in range(len(steps) + 1)]
    message = wire.GroupCapacityForecast(
        group_id=group.group_id, type="CONSUMPTION",
        forecasted_blocks=[
            wire.ForecastedBlock(
                capacity=n / scale, phase=name, unit=group.unit.value, start_time=edges[k], end_time=edges[k + 1]
            )
            for name in names
            for k, n in enumerate(steps)
        ],
    )  # fmt: skip

    first, wanted_w = wanted_power(message.forecasted_blocks, group, profile, now_quarter=Q0, most_quarters=96)
    figures = Figures(first_quarter=first, step_quarters=1, capacity_w=wanted_w)
    own = OutboundForecast(
        message_id=1, group=group, kind=ForecastKind.CONSUMPTION, request_id="", correlation_id=None, attempts=1,
        figures=figures,
    )  # fmt: skip

    assert decoded(mapping.forecast_message(own, profile)) == message


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_times_come_back_as_they_went(moment):
    assert moment_from(time_text(moment, milliseconds=True), PLAIN, "t") == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )


@given(st.none() | st.floats(1, 80_000), st.sets(st.sampled_from(["CONTINUOUS", "INTERMITTENT"])), st.booleans())
def test_demands_come_back_as_they_went(interval, configuration, flat):
    profile = PeerProfile(flat_handshake=flat)
    demands = Behaviour(heartbeat_interval_s=interval, measurements=tuple(sorted(configuration)))

    assert mapping.behaviour_from(mapping.handshake_message(demands, profile), profile) == demands


# --- the bends for single peers


def test_a_time_without_a_zone_is_refused_unless_the_profile_names_one():
    with pytest.raises(Unsuitable, match="has no time zone"):
        moment_from("2026-07-01 12:00:00", PLAIN, "t")
    assert moment_from("2026-07-01 12:00:00", PeerProfile(zone="Asia/Taipei"), "t") == datetime(
        2026, 7, 1, 4, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z", "1e9", "９９99"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Unsuitable):
        moment_from(text, PLAIN, "t")


def test_an_interval_below_a_second_is_no_interval():
    for interval in (0, -5, 0.5):
        assert mapping.behaviour_from(wire.Handshake(heartbeat_interval=interval), PLAIN).heartbeat_interval_s is None


def test_a_number_in_quotes_is_taken_from_who_writes_so():
    group = Connection(
        group_no=0, group_id="g", provider_no=0, unit=PowerUnit.W, phases=(1, 2, 3), phase_voltage_v=230, contracted_w=1
    )
    block = wire.ForecastedBlock(
        capacity="10.5", phase="ALL", unit="W", start_time=time_text(NOW), end_time=time_text(NOW + timedelta(hours=1))
    )

    with pytest.raises(Unsuitable, match="a string, not a number"):
        wanted_power([block], group, PLAIN, now_quarter=Q0, most_quarters=96)
    _, wanted_w = wanted_power([block], group, profile_of({"preset": "oscp-sdk"}), now_quarter=Q0, most_quarters=96)
    assert wanted_w.tolist() == [10.5] * 4


def test_a_longer_block_is_the_least_of_its_quarters():
    first, edges, least_w = mapping.coarser(Q0 + 1, 1, np.array([9, 8, 7, 6, 5, 4, 3, 2], np.float32), 4)

    assert (first - Q0, [e - Q0 for e in edges], least_w.tolist()) == (1, [4, 8, 9], [7.0, 3.0, 2.0])


def outbound(values, first=Q0) -> OutboundForecast:
    group = Connection(
        group_no=0, group_id="g", provider_no=0, unit=PowerUnit.W, phases=(1, 2, 3), phase_voltage_v=230, contracted_w=1
    )
    return OutboundForecast(
        message_id=1, group=group, kind=ForecastKind.CONSUMPTION, request_id="", correlation_id=None, attempts=1,
        figures=Figures(first_quarter=first, step_quarters=1, capacity_w=np.array(values, np.float32)),
    )  # fmt: skip


def test_a_forecast_that_only_reaches_on_says_the_same():
    last = outbound([5.0] * 120).figures
    rest = [5.0] * 118

    assert mapping.says_the_same(outbound([5, *rest, 7], Q0 + 1), last, PLAIN)
    assert mapping.says_the_same(outbound([5.2, *rest, 7], Q0 + 1), last, PLAIN)
    assert not mapping.says_the_same(outbound([4, *rest, 7], Q0 + 1), last, PLAIN)


def test_a_forecast_says_something_new_when_the_last_one_would_soon_reach_less_than_a_day():
    last = outbound([5.0] * 120).figures

    assert mapping.says_the_same(outbound([5.0] * 120, Q0 + 22), last, PLAIN)
    assert not mapping.says_the_same(outbound([5.0] * 120, Q0 + 23), last, PLAIN)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_profile(preset):
    assert profile_of({"preset": preset}).preset == preset


@pytest.mark.parametrize(
    "traits", [{"preset": "nokia"}, {"zone": "Mars/Base"}, {"block_minutes": 20}, {"colour": "red"}]
)
def test_a_wrong_trait_is_refused(traits):
    with pytest.raises(Unsuitable, match="profile:"):
        profile_of(traits)
