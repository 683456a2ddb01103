"""The instant path: what may be had between two gates without waiting for the next one."""

import numpy as np

from ampacity.allocation.forest import Floats


def instant_left_w(contract_w: Floats, had_w: Floats, fraction: float) -> Floats:
    """What may still be had at once before the next gate [W]: a part of the contract, however often one asks.

    Args:
        contract_w: Contracts [W].
        had_w: What was had at once since the last gate [W], same shape.
        fraction: The part of the contract.

    Example:
        >>> instant_left_w(np.array([40e3, 40e3]), np.array([0.0, 1500.0]), 0.05).tolist()
        [2000.0, 500.0]
    """
    left_w: Floats = np.maximum(fraction * contract_w - had_w, 0.0)
    return left_w
