"""The calibration plot: how often each quantile was passed against how often it promised to be."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from ampacity.operations.quality import LevelScore

SIZE, LEFT, BOTTOM = 232, 46, 34
LEAST, MOST = 0.001, 1.0  # the axes, in shares
_TICKS = (0.001, 0.01, 0.1, 1.0)


def calibration_plot(levels: Sequence[LevelScore]) -> Markup:
    """Promised across, observed up, both by powers of ten; on the line a margin holds what it promises.

    Upper quantiles point up, lower ones down.  The shaded strip is half to double of what was promised.
    """
    width, height = LEFT + SIZE + 24, SIZE + BOTTOM + 10
    top = 10
    what = "Calibration: share of quarter hours beyond each quantile, promised and observed"
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    upper = f"M{_x(LEAST)} {_y(2 * LEAST)}L{_x(MOST / 2)} {_y(MOST)}H{_x(MOST)}V{_y(MOST / 2)}"
    parts = [f'<svg class="calibration" {box} role="img" aria-label="{what}">']
    parts.append(f'<path class="strip" d="{upper}L{_x(2 * LEAST)} {_y(LEAST)}H{_x(LEAST)}Z"/>')
    for tick in _TICKS:
        parts.append(f'<path class="rule" d="M{_x(tick)} {top}V{top + SIZE}M{LEFT} {_y(tick)}H{LEFT + SIZE}"/>')
        parts.append(f'<text x="{_x(tick)}" y="{top + SIZE + 15}" text-anchor="middle">{_percent(tick)}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{_y(tick) + 4}" text-anchor="end">{_percent(tick)}</text>')
    parts.append(f'<path class="even" d="M{_x(LEAST)} {_y(LEAST)}L{_x(MOST)} {_y(MOST)}"/>')
    parts += [_mark(score) for score in levels]
    parts.append(f'<text x="{LEFT + SIZE / 2}" y="{height - 2}" text-anchor="middle">promised</text>')
    parts.append(f'<text x="{LEFT + 6}" y="{top + 14}">was</text></svg>')
    return Markup("".join(parts))  # noqa: S704  # numbers only


def is_off(score: LevelScore) -> bool:
    """Whether a quantile is passed more than twice as often as it promises."""
    return score.promised < 0.5 and score.observed > 2 * score.promised


def _mark(score: LevelScore) -> str:
    x, y = _x(score.promised), _y(score.observed)
    shape = "M0 -6L6 5H-6Z" if score.level >= 0.5 else "M0 6L6 -5H-6Z"
    kind = "over" if is_off(score) else "kept"
    side = "above" if score.level >= 0.5 else "below"
    shares = f"promised {_percent(score.promised)}, was {_percent(score.observed)}"
    told = f"{side} the {100 * score.level:g} % quantile: {shares}"
    return f'<path class="mark {kind}" d="{shape}" transform="translate({x} {y})"><title>{told}</title></path>'


def _share(value: float) -> float:
    """Where a share stands between the ends of an axis, 0 to 1."""
    return math.log10(min(max(value, LEAST), MOST) / LEAST) / math.log10(MOST / LEAST)


def _x(value: float) -> float:
    return round(LEFT + _share(value) * SIZE, 1)


def _y(value: float) -> float:
    return round(10 + (1 - _share(value)) * SIZE, 1)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
