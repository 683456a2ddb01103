"""What the operations need of the outside world."""

from ampacity.ports.decisions import CapacityTable, CycleRecord, CycleStore, DecisionWriter, ForecastQuality, KeptModel
from ampacity.ports.grid import GridStore, GridVersion, Imported, Input, Series, WeatherRows, WeatherSource
from ampacity.ports.peers import ConnectedPeers, Counterpart, Outbox, Peers, Requests, Tokens, Usage, UsageIntake
from ampacity.ports.records import (
    AnswerCounts,
    BrokenLink,
    ChainHead,
    DecisionRecord,
    DecisionRecords,
    StoredCapacities,
)
from ampacity.ports.requests import (
    Emergency,
    EmergencyWriter,
    Gate,
    Held,
    RequestOutcome,
    RequestStore,
    RequestWriter,
    WaitingRequest,
)
from ampacity.ports.values import Clock, Floats, Ints, JsonObject, JsonValue, Steps, Subject

__all__ = [
    "AnswerCounts",
    "BrokenLink",
    "CapacityTable",
    "ChainHead",
    "Clock",
    "ConnectedPeers",
    "Counterpart",
    "CycleRecord",
    "CycleStore",
    "DecisionRecord",
    "DecisionRecords",
    "DecisionWriter",
    "Emergency",
    "EmergencyWriter",
    "Floats",
    "ForecastQuality",
    "Gate",
    "GridStore",
    "GridVersion",
    "Held",
    "Imported",
    "Input",
    "Ints",
    "JsonObject",
    "JsonValue",
    "KeptModel",
    "Outbox",
    "Peers",
    "RequestOutcome",
    "RequestStore",
    "RequestWriter",
    "Requests",
    "Series",
    "Steps",
    "StoredCapacities",
    "Subject",
    "Tokens",
    "Usage",
    "UsageIntake",
    "WaitingRequest",
    "WeatherRows",
    "WeatherSource",
]
