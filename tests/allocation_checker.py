"""The same rule by another road, slow and simple: a row of linear programs, each by scipy."""

import numpy as np
from scipy.optimize import linprog

from tests.allocation_cases import Case, upstream


def checked_w(case: Case) -> np.ndarray:
    """Allocation (G, T) [W] by lexicographic max-min, firm parts first."""
    columns = [_quarter(case, t) for t in range(case.cap_w.shape[1])]
    return np.stack(columns, axis=1)


def _quarter(case: Case, t: int) -> np.ndarray:
    limits_w = np.nan_to_num(np.maximum(case.headroom_w[:, :, t], 0.0)).ravel()
    uses = np.zeros((limits_w.size, len(case.element)))
    for g, element in enumerate(case.element):
        for e in upstream(case.parent, int(element)):
            uses[3 * e : 3 * e + 3, g] = case.phase_share[g]
    cap_w = np.minimum(case.cap_w[:, t], 1e6)
    firm_w = lexicographic_max_min(uses, limits_w, case.weight, np.minimum(case.floor_w[:, t], cap_w))
    rest_w = np.maximum(limits_w - uses @ firm_w, 0.0)
    return firm_w + lexicographic_max_min(uses, rest_w, case.weight, cap_w - firm_w)


def lexicographic_max_min(uses: np.ndarray, limits_w: np.ndarray, weight: np.ndarray, cap_w: np.ndarray) -> np.ndarray:
    """Raise the lowest level as far as it goes; fix whoever cannot go higher (a positive dual); again with the rest."""
    n = len(weight)
    fixed = np.full(n, np.nan)
    while (free := np.isnan(fixed)).any():
        rising = np.flatnonzero(free)
        at_least = np.zeros((rising.size, n + 1))
        at_least[np.arange(rising.size), rising] = -1.0
        at_least[:, n] = weight[rising]
        bounds = [(0.0, c) if f else (x, x) for c, f, x in zip(cap_w, free, fixed, strict=True)]
        slack = np.maximum(limits_w, uses @ np.where(free, 0.0, fixed))  # what is fixed stays possible to the last bit
        result = linprog(
            np.append(np.zeros(n), -1.0),
            A_ub=np.vstack([np.column_stack([uses, np.zeros(len(uses))]), at_least]),
            b_ub=np.append(slack, np.zeros(rising.size)),
            bounds=[*bounds, (0.0, None)],
            method="highs-ds",
        )
        assert result.status == 0, result.message
        stopped = rising[result.ineqlin.marginals[len(uses) :] < -1e-12]
        assert stopped.size, "no dual is positive"
        fixed[stopped] = np.minimum(weight[stopped] * result.x[n], cap_w[stopped])
    return fixed
