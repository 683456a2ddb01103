"""Figures in 16 bits: what a cycle writes is nearly all of it figures, so half of each is half of the database.

A row of figures, of one phase over the hours of a forecast, has a step of its own: the smallest power of two in which
its largest figure is 32,767 steps or less.  That is 1 W for 20 kW, and never more than a 16,000th of the row's largest
figure.  Figures are put on their steps where they are made, on the safe side; from then on they are the same in memory
and in the database, to the bit.
"""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Floats32 = NDArray[np.float32]
Exponents = NDArray[np.int8]  # of two

LARGEST = 32_767  # steps, either way
_UNKNOWN = -32_768  # stands for NaN
_FLOAT, _INT = np.dtype("<f4"), np.dtype("<i2")
_TOGETHER = 524_288  # figures worked on at once: in many small pieces threads would wait for each other
_EXPONENT = 15  # of the power of two that is more than the most steps
_FINEST, _COARSEST = -100, 100  # exponents of steps


def coarsest(*of_w: Floats32) -> Exponents:
    """The exponents of the steps that rows of each of these arrays (..., C) can share, (R,)."""
    found: Exponents = np.maximum.reduce([_exponents(_rows(values_w)) for values_w in of_w])
    return found


def round_down(values_w: Floats32, steps: Exponents | None = None) -> None:
    """Make of each figure the largest one on its row's steps that is not above it, in place; NaN stays.

    Args:
        values_w: Rows of figures, shape (..., C), in one piece of memory.
        steps: Of each row, where they are to be coarser ones than their figures need.

    >>> values_w = np.array([[20_000.7, 3.9, np.nan], [-2.5, 0.3, 65_536.0]], np.float32)
    >>> round_down(values_w)
    >>> values_w.tolist()
    [[20000.0, 3.0, nan], [-4.0, 0.0, 65536.0]]
    """
    _put_on_steps(values_w, np.floor, steps)


def round_up(values_w: Floats32, steps: Exponents | None = None) -> None:
    """Make of each figure the smallest one that is not below it, likewise.

    >>> values_w = np.array([[20_000.7, 3.1]], np.float32)
    >>> round_up(values_w)
    >>> values_w.tolist()
    [[20001.0, 4.0]]
    """
    _put_on_steps(values_w, np.ceil, steps)


def round_off(values_w: Floats32, steps: Exponents | None = None) -> None:
    """Make of each figure the nearest one, likewise."""
    _put_on_steps(values_w, np.rint, steps)


def packed(values_w: Floats) -> bytes:
    """Rows of figures (..., C) as bytes: of 16 bits each where they are on steps, else of 32.

    >>> len(packed(np.array([[4.0, 1.0]]))), len(packed(np.array([[np.pi, 1e-6]])))
    (5, 8)
    """
    shape = np.shape(values_w)
    rows = np.ascontiguousarray(values_w, _FLOAT).reshape(prod(shape[:-1]), shape[-1])
    found = np.empty(len(rows) + rows.size * _INT.itemsize, np.uint8)
    exponents, steps = found[: len(rows)].view(np.int8), found[len(rows) :].view(_INT).reshape(rows.shape)
    for some in _pieces(rows):
        exponents[some] = _exponents(rows[some])
        with np.errstate(over="ignore", invalid="ignore"):  # what is infinite is on no step
            scaled = rows[some] * _powers(-exponents[some])
            unknown = np.isnan(scaled)
            if unknown.any():
                scaled[unknown] = _UNKNOWN
            steps[some] = scaled
        if not np.array_equal(steps[some].astype(np.float32), scaled):
            return rows.tobytes()
    return found.tobytes()


def unpacked(blob: bytes, shape: tuple[int, ...]) -> Floats32:
    """The figures of which `packed` made bytes, (..., C)."""
    rows, columns = prod(shape[:-1]), shape[-1]
    if len(blob) == rows * columns * _FLOAT.itemsize:
        return np.frombuffer(blob, _FLOAT).reshape(shape)
    exponents = np.frombuffer(blob, np.int8, rows)
    steps = np.frombuffer(blob, _INT, rows * columns, rows).reshape(rows, columns)
    values_w = np.empty(steps.shape, np.float32)
    for some in _pieces(steps):
        values_w[some] = steps[some] * _powers(exponents[some])
        values_w[some][steps[some] == _UNKNOWN] = np.nan
    return values_w.reshape(shape)


def _put_on_steps(values_w: Floats32, whole: Callable[..., Floats], exponents: Exponents | None) -> None:
    rows = _rows(values_w)
    for some in _pieces(rows):
        here = _exponents(rows[some]) if exponents is None else exponents[some]
        steps = rows[some] * _powers(-here)
        np.multiply(whole(steps, out=steps), _powers(here), out=rows[some])


def _rows(values_w: Floats32) -> Floats32:
    """The same memory as rows (R, C)."""
    rows = values_w.reshape(prod(values_w.shape[:-1]), values_w.shape[-1])
    if values_w.size and not np.may_share_memory(rows, values_w):
        raise ValueError(f"figures of shape {values_w.shape} do not lie in one piece of memory, they cannot be rounded")
    return rows


def _pieces(rows: NDArray[Any]) -> Iterator[slice]:
    together = max(1, _TOGETHER // max(1, rows.shape[1]))
    return (slice(first, first + together) for first in range(0, len(rows), together))


def _exponents(rows: Floats) -> Exponents:
    """The exponent of each row's step, (R,)."""
    largest = np.fmax.reduce(np.abs(rows), axis=1, initial=0.0)
    fraction, exponent = np.frexp(largest)
    steps = exponent - _EXPONENT + (fraction > LARGEST / 2**_EXPONENT)
    found: Exponents = np.clip(steps, _FINEST, _COARSEST).astype(np.int8)
    return found


def _powers(exponents: Exponents) -> NDArray[np.float32]:
    """Two to these powers, (R, 1)."""
    return np.ldexp(np.float32(1.0), exponents.astype(np.int32))[:, None]
