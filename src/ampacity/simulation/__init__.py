"""Made-up districts, weather and fleets of electric cars: for trying out, for tests and for benchmarks."""

from ampacity.simulation.damage import damaged
from ampacity.simulation.district import DistrictPlan, blocks, district_network, district_weather, make_district
from ampacity.simulation.fleet import Draw, FleetPlan, FleetState, empty_fleet, outlook_w, started_fleet, step

__all__ = [
    "DistrictPlan",
    "Draw",
    "FleetPlan",
    "FleetState",
    "blocks",
    "damaged",
    "district_network",
    "district_weather",
    "empty_fleet",
    "make_district",
    "outlook_w",
    "started_fleet",
    "step",
]
