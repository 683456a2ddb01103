"""A batch of measurements from its bytes, with limits."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable
from ampacity.timegrid import QUARTER_S, quarter_at

LARGEST_BYTES = 64 * 2**20  # decompressed
LARGEST_W = 1e12
_GZIP = 31  # what zlib calls a gzip header
_MOST_NAMED = 10

Power = Annotated[float, msgspec.Meta(ge=-LARGEST_W, le=LARGEST_W)] | None


class MeasurementBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean power of elements over the quarter hour from `start`, per phase [W], import positive; null: no value."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    start: Annotated[datetime, msgspec.Meta(tz=True)]
    load_w: list[tuple[str, Power, Power, Power]]


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values by element number: (N,) and (N, 3)."""

    batch_id: str
    quarter: int
    numbers: NDArray[np.int64]
    load_w: NDArray[np.float32]


_DECODER = msgspec.json.Decoder(MeasurementBatch)


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body as it was before it was compressed.

    Raises:
        Unsuitable: it is not what it says, or larger than is taken.
    """
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Unsuitable(f"content-encoding {encoding!r} is not taken: send gzip or none")
    reader = zlib.decompressobj(_GZIP)
    try:
        data = reader.decompress(body, LARGEST_BYTES)
    except zlib.error as wrong:
        raise Unsuitable("the body is not gzip") from wrong
    if reader.unconsumed_tail:
        raise Unsuitable(f"the body is longer than {LARGEST_BYTES} bytes")
    if not reader.eof:
        raise Unsuitable("the body ends before its gzip does")
    return data


def values_of(body: bytes, elements: Mapping[str, int], now: datetime) -> Values:
    """The values of a batch.

    Raises:
        Unsuitable: it is no such message, or names unknown elements or a time that cannot be.
    """
    try:
        batch = _DECODER.decode(body)
    except msgspec.DecodeError as wrong:
        raise Unsuitable(str(wrong)) from wrong
    if batch.start.timestamp() % QUARTER_S:
        raise Unsuitable(f"start {batch.start.isoformat()} is no quarter hour")
    if batch.start > now:
        raise Unsuitable(f"start {batch.start.isoformat()} is yet to come")
    names = [row[0] for row in batch.load_w]
    unknown = [name for name in names if name not in elements]
    if unknown:
        raise Unsuitable(
            [f"there is no element {n!r}" for n in unknown[:_MOST_NAMED]] + [f"{len(unknown)} unknown in all"]
        )
    numbers = np.array([elements[name] for name in names], np.int64)
    if len(np.unique(numbers)) != len(numbers):
        raise Unsuitable("an element is there twice")
    load_w = np.array([row[1:] for row in batch.load_w], float).reshape(-1, 3).astype(np.float32)
    return Values(batch_id=batch.id, quarter=quarter_at(batch.start), numbers=numbers, load_w=load_w)
