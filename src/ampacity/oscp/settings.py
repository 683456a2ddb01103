"""The settings of the protocol: section `oscp` of the file, `AMPACITY_OSCP_*` in the environment."""

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]


class OscpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How we talk to peers.

    `trusted_hosts` may be called over http or at a private address.  `secret_key` (at
    least 32 characters) encrypts the tokens of peers.  `heartbeat_interval_s` is asked of
    peers that have no other in their profile.
    """

    trusted_hosts: tuple[str, ...] = ()
    secret_key: str = ""
    heartbeat_interval_s: Annotated[float, Meta(ge=1)] = 60.0
    measurement_configuration: tuple[str, ...] = ("CONTINUOUS", "INTERMITTENT")
    connect_timeout_s: Seconds = 10.0
    send_timeout_s: Seconds = 20.0
    lease_s: Seconds = 60.0
    acknowledge_timeout_s: Seconds = 30.0
    sends_per_peer: Count = 8
    most_attempts: Count = 12
    response_limit_bytes: Count = 65_536
    body_limit_bytes: Count = 1_048_576
    blocks_limit: Count = 2_000
    requests_per_second: Annotated[float, Meta(gt=0)] = 200.0
    request_burst: Count = 1_000
    readings_batch: Count = 500
