"""What meters do wrong: for trying out what happens then."""

from dataclasses import replace

import numpy as np

from ampacity.intake import LoadSeries


def damaged(
    series: LoadSeries, *, seed: int, gap_share: float = 0.02, gap_quarters: int = 12, spikes: int = 3
) -> LoadSeries:
    """A series with gaps (NaN on all phases) and with readings a hundred times too large, `spikes` in each element."""
    rng = np.random.default_rng(seed)
    load_w = series.load_w.copy()
    count, _, quarters = load_w.shape
    if quarters == 0:
        return series
    begins = rng.random((count, quarters)) < gap_share / gap_quarters
    for k in range(gap_quarters):
        element, quarter = np.nonzero(begins[:, : quarters - k])
        load_w[element, :, quarter + k] = np.nan
    elements = np.repeat(np.arange(count), spikes)
    load_w[elements, rng.integers(0, 3, len(elements)), rng.integers(0, quarters, len(elements))] *= 100.0
    return replace(series, load_w=load_w)
