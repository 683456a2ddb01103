"""The batched engine against statsmodels, one series at a time, on the same columns."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from synthetic import FIRST, made_up

from ampacity.forecasting import Designs, ForecastSettings
from ampacity.forecasting.design import column_groups
from ampacity.forecasting.lagged import LAGS, fit_lagged, lag_columns
from ampacity.forecasting.panel import Panel
from ampacity.forecasting.ridge import fit_ridge, whiten, whiten_series

DAYS = 60
UNIDENTIFIED = ("temperature", "heating", "cooling")  # collinear in two made-up months of mild weather


@pytest.fixture(scope="module")
def panel():
    load_w, weather = made_up(elements=1, days=DAYS, ahead=0)
    shared = Designs(weather, ForecastSettings()).shared(0, FIRST // 96, FIRST // 96 + DAYS)
    y = (load_w / load_w.std()).reshape(3, DAYS, 96)
    independent = [i for i, (name, _) in enumerate(column_groups()) if not name.startswith(UNIDENTIFIED)]
    columns = shared.columns[:, independent].astype(float)
    return Panel(shared=replace(shared, columns=columns), y=y.astype(float), known=np.ones(y.shape, bool))


def scale(values):
    return np.ptp(values)


def test_without_penalty_both_engines_agree(panel):
    """Fitted values to 1e-6 of the range of the load: the same least squares, solved for all series at once."""
    w = panel.shared.weights()
    first = panel.first_day

    ours = fit_ridge(panel, first, first + DAYS, penalty=0.0, passes=0)

    white = whiten(panel.shared.columns).astype(float)
    for s in range(3):
        rows = whiten_series(panel.flat()[s : s + 1])[0].astype(float)
        reference = sm.WLS(rows, white, weights=w[-len(white) :]).fit()
        fitted = white @ ours.coefficients[s].astype(float) - reference.fittedvalues
        assert np.abs(fitted).max() < 1e-6 * scale(panel.flat()[s])


def test_lags_by_schur_complement_are_the_regression_of_its_own(panel):
    first = panel.first_day

    ours = fit_lagged(panel, first, first + DAYS, penalty=0.0, passes=0)

    rows = slice(panel.shared.row(first + 7), panel.shared.row(first + DAYS))
    x = panel.shared.columns[rows].astype(float)
    w = panel.shared.weights()[rows]
    lags = lag_columns(panel, np.arange(first + 7, first + DAYS)).reshape(3, LAGS, -1).astype(float)
    for s in range(3):
        both = np.column_stack([x, lags[s].T])
        reference = sm.WLS(panel.flat()[s, rows].astype(float), both, weights=w).fit()
        fitted = x @ ours.shared[s].astype(float) + lags[s].T @ ours.lags[s].astype(float)
        assert np.abs(fitted - reference.fittedvalues).max() < 1e-6 * scale(panel.flat()[s])


def test_every_column_has_a_name(panel):
    left_out = [name for name, _ in column_groups() if name.startswith(UNIDENTIFIED)]

    assert len(column_groups()) == panel.shared.columns.shape[1] + len(left_out) == len(dict(column_groups()))
