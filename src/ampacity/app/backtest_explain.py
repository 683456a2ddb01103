"""What drives one element's load: the shared features through statsmodels, with its diagnostics."""

from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.stattools import durbin_watson

from ampacity.app.backtest_run import BacktestRun
from ampacity.errors import NotFound
from ampacity.forecasting.design import column_groups
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.panel import WEEK, whole_days
from ampacity.forecasting.ridge import whiten, whiten_series
from ampacity.forecasting.types import Floats, Floats32, ForecastSettings, LoadHistory, Weather

SHOWN_LAGS = (1, 4, 96, 672)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One series through weighted least squares on the whitened shared columns."""

    names: tuple[str, ...]
    coefficient_w: Floats  # W per unit of the column
    standard_error_w: Floats
    r_squared: float
    durbin_watson: float
    autocorrelation: dict[int, float]  # of the residual by lag in quarters
    ljung_box_p: float
    group_share: dict[str, float]  # share of each group of features in the size of the fitted variation


def explain(
    load_w: Floats32, history: LoadHistory, weather: Weather, cell: int, settings: ForecastSettings
) -> Explanation:
    """Fit one series (T,) on the columns that the experts share.

    Raises:
        NotFound: less than 14 days of it are known.
    """
    first, end = whole_days(history.window, settings.day_start_quarter)
    first = max(first, end - settings.training_days)
    shared = Designs(weather, settings).shared(cell, first, end, minimum_known=0.7)
    begin = shared.design.window.first - history.window.first
    y = load_w[begin : begin + len(shared.columns)].astype(float)
    known = np.isfinite(y)
    if known.sum() < 14 * 96:
        raise NotFound("less than 14 days of this element are known: there is nothing to explain")
    filled = np.where(known, y, np.nanmean(y))
    x, rows = whiten(shared.columns).astype(float), whiten_series(filled[None])[0]
    use = known[WEEK:] & known[WEEK - 96 : -96] & known[:-WEEK]
    varies = (x.std(axis=0) > 1e-6) | (np.arange(x.shape[1]) == 0)
    names = np.array([name for name, _ in column_groups()])
    fit = sm.WLS(rows[use], x[use][:, varies], weights=shared.weights()[WEEK:][use]).fit()
    residual = np.asarray(fit.resid)
    return Explanation(
        names=tuple(names[varies]),
        coefficient_w=np.asarray(fit.params),
        standard_error_w=np.asarray(fit.bse),
        r_squared=float(fit.rsquared),
        durbin_watson=float(durbin_watson(residual)),
        autocorrelation={lag: _autocorrelation(residual, lag) for lag in SHOWN_LAGS if lag < len(residual)},
        ljung_box_p=float(acorr_ljungbox(residual, lags=[96])["lb_pvalue"].iloc[0]),
        group_share=_shares(shared.columns[:, varies].astype(float), np.asarray(fit.params), varies),
    )


def explanation_text(found: Explanation, element: str) -> str:
    """The explanation for people: the strongest columns first."""
    strength = np.abs(found.coefficient_w / np.maximum(found.standard_error_w, 1e-12))
    order = np.argsort(-strength)[:20]
    lines = [f"{element}: weighted least squares on the whitened shared features, {len(found.names)} columns"]
    correlations = ", ".join(f"{lag * 15} min {value:.2f}" for lag, value in found.autocorrelation.items())
    lines.append(
        f"R² {found.r_squared:.3f}, Durbin-Watson {found.durbin_watson:.2f}, Ljung-Box p {found.ljung_box_p:.2g}"
    )
    lines.append(f"residual autocorrelation: {correlations}")
    shares = sorted(found.group_share.items(), key=lambda item: -item[1])
    lines.append("share in the fitted variation: " + ", ".join(f"{name} {100 * part:.0f} %" for name, part in shares))
    lines.append(f"{'feature':32}{'coefficient [W]':>18}{'std. error':>14}{'t':>8}")
    lines += [
        f"{found.names[i]:32}{found.coefficient_w[i]:>18.1f}{found.standard_error_w[i]:>14.1f}{strength[i]:>8.1f}"
        for i in order
    ]
    return "\n".join(lines)


def _autocorrelation(residual: Floats, lag: int) -> float:
    centred = residual - residual.mean()
    return float((centred[lag:] * centred[:-lag]).sum() / max((centred**2).sum(), 1e-12))


def _shares(columns: Floats, coefficients: Floats, varies: np.ndarray) -> dict[str, float]:
    groups = np.array([group for _, group in column_groups()])[varies]
    size = {
        str(group): float((columns[:, groups == group] @ coefficients[groups == group]).std())
        for group in np.unique(groups)
    }
    total = max(sum(size.values()), 1e-12)
    return {group: part / total for group, part in size.items()}


def explanation_of(run: BacktestRun, element_id: str) -> Explanation:
    """What drives the load of an element as a whole.

    Raises:
        NotFound: it is not in the folder.
    """
    rows = [row for row in run.given.rows if row.phase == "sum" and row.element_id == element_id]
    if not rows:
        raise NotFound(f"element {element_id} has no measurements in the folder")
    element, given = rows[0].index // 3, run.given
    weather = given.weather_at(given.history.window.end)
    return explain(given.history.load_w[element, 0], given.history, weather, int(given.cell[element]), run.settings)
