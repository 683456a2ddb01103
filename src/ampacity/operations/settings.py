"""How a publication cycle works; the sections `forecast` and `cycle` of the settings."""

from datetime import UTC, datetime, timedelta

import msgspec

from ampacity.allocation import Order, Smoothing
from ampacity.timegrid import QUARTERS_PER_HOUR


class CycleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The publication cycle: horizons, margins, what is kept back."""

    horizon_h: int = 30
    """How far ahead capacities reach [h]; a provider holds at least 24 h of them between two cycles."""
    fallback_days: int = 8
    """How far ahead fallbacks reach [days]; at least 7 of them are left when the next ones are made."""
    fallback_every_h: float = 24.0
    """How long after the last ones fallbacks are decided anew [h]."""
    power_factor: float = 0.95
    """Assumed where a rating in A or VA becomes a limit in W."""
    extra_margin_w: float = 0.0
    """Kept free on each phase of each element, beside the calibrated margin [W]."""
    pool_fraction: float = 0.5
    """Kept back for those who ask for more: this part of the gap between the .95 and the risk quantile."""
    measurement_delay_min: int = 0
    """How long after the end of a quarter its measurements arrive [min]."""
    weather_stale_after_h: float = 48.0
    """Age of the newest weather forecast from which on the load is forecast without weather [h]."""
    refit_after_days: int = 7
    """Age at which a forecast model is fitted again [days], a share each day; from its errors it learns every day."""
    history_days: int = 56
    """How much history a fit reads [days]."""
    usual_need_h: float = 3.0
    """Expected daily energy of a group of which no use is known: so many hours at its contract [h]."""
    lend_idle: bool = False
    """Lend what groups seldom use at an hour (by the last 14 days) until they ask for it or use up what they have."""
    frozen_quarters: int = 2
    """Capacities of so many coming quarters change only for safety or on request."""
    dead_band_fraction: float = 0.02
    """Rises below this part of a capacity, or below 1 A, are not told."""
    cushion_fraction: float = 0.01
    """A group that falls stays this part below all of its new capacities, so that the next falls need no message."""
    rise_fraction: float = 0.2
    """The most that a capacity rises from one cycle to the next, as a part of the contract; 1: no limit."""
    elements_at_once: int = 8192
    """Trees of the grid are decided in batches of so many elements; fewer need less memory, and change nothing else."""
    hand_out_rest: bool = False
    """Give the watts that rounding down leaves, one each, to the largest remainders instead of to nobody."""
    lapse_quarters: int = 2
    """A grant ends of which less than half was used in so many measured quarters, one after the other; 0: none does."""
    lease_s: float = 30.0
    """After so long without a sign of life from the server that decides a cycle another one takes it over [s]."""
    block_lease_s: float = 15.0
    """Blocks of a server that helps with a cycle are made by another one after so long without a sign of life [s]."""

    def __post_init__(self) -> None:
        rules = {
            "horizon_h": 24 <= self.horizon_h <= 168,
            "fallback_days": 8 <= self.fallback_days <= 30,
            "fallback_every_h": 0.25 <= self.fallback_every_h <= 24,
            "power_factor": 0 < self.power_factor <= 1,
            "extra_margin_w": self.extra_margin_w >= 0,
            "pool_fraction": 0 <= self.pool_fraction <= 1,
            "measurement_delay_min": self.measurement_delay_min >= 0,
            "weather_stale_after_h": self.weather_stale_after_h > 0,
            "refit_after_days": self.refit_after_days > 0,
            "history_days": self.history_days >= 14,
            "usual_need_h": self.usual_need_h >= 0,
            "frozen_quarters": 0 <= self.frozen_quarters <= 96,
            "dead_band_fraction": 0 <= self.dead_band_fraction <= 1,
            "cushion_fraction": 0 <= self.cushion_fraction <= 0.5,
            "rise_fraction": 0 < self.rise_fraction <= 1,
            "elements_at_once": self.elements_at_once > 0,
            "lapse_quarters": 0 <= self.lapse_quarters <= 96,
            "lease_s": self.lease_s > 0,
            "block_lease_s": self.block_lease_s > 0,
        }
        for name, holds in rules.items():
            if not holds:
                raise ValueError(f"{name} is {getattr(self, name)}, which is outside of its range")

    @property
    def horizon(self) -> int:
        """Quarters that capacities reach ahead."""
        return self.horizon_h * QUARTERS_PER_HOUR

    @property
    def fallback_every(self) -> timedelta:
        return timedelta(hours=self.fallback_every_h)

    @property
    def smoothing(self) -> Smoothing:
        """How steady capacities are from one cycle to the next."""
        return Smoothing(
            frozen_quarters=self.frozen_quarters,
            dead_band_fraction=self.dead_band_fraction,
            rise_fraction=self.rise_fraction,
            cushion_fraction=self.cushion_fraction,
        )

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_s)

    @property
    def block_lease(self) -> timedelta:
        return timedelta(seconds=self.block_lease_s)


class NegotiationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests for more, or less, are decided."""

    gate_s: float = 0.0
    """Requests are collected for so long and decided together [s], counted from midnight UTC; 0: at once."""
    instant_fraction: float = 0.05
    """Asking for no more than this part of the contract (in all until the next gate) and giving back do not wait."""
    order: Order = Order.FAIR
    """`fair`: by the filling; `first_come`: in the order of arrival, from what nobody holds."""
    consent_above_w: float = 0.0
    """An operator is asked before a request for so much more than is held [W] is decided; 0: none is."""
    consent_above_fraction: float = 0.0
    """The same, as a part of the group's contract; 0: none is asked."""
    consent_wait_s: float = 900.0
    """How long an operator may take to answer [s]; then the rule decides."""
    recall_wait_s: float = 30.0
    """Who gives back what was lent is told once in so long [s], 5 minutes or more before it holds; 0: each time."""

    def __post_init__(self) -> None:
        if not 0 <= self.recall_wait_s <= 300:
            raise ValueError(f"recall_wait_s is {self.recall_wait_s}, must be from 0 to 300")
        if not 0 <= self.gate_s <= 86_400:
            raise ValueError(f"gate_s is {self.gate_s}, must be from 0 to 86400")
        if not 0 <= self.instant_fraction <= 1:
            raise ValueError(f"instant_fraction is {self.instant_fraction}, must be from 0 to 1")
        if self.consent_above_w < 0:
            raise ValueError(f"consent_above_w is {self.consent_above_w}, must be 0 or more")
        if not 0 <= self.consent_above_fraction <= 1:
            raise ValueError(f"consent_above_fraction is {self.consent_above_fraction}, must be from 0 to 1")
        if not 0 < self.consent_wait_s <= 86_400:
            raise ValueError(f"consent_wait_s is {self.consent_wait_s}, must be above 0 and at most 86400")

    def gate_opened_at(self, now: datetime) -> datetime:
        """When the last gate closed and the one that is open now was opened."""
        return datetime.fromtimestamp(now.timestamp() // self.gate_s * self.gate_s, UTC) if self.gate_s else now

    @property
    def asks_operators(self) -> bool:
        """Whether there are requests that wait for an operator."""
        return self.consent_above_w > 0 or self.consent_above_fraction > 0

    def needs_consent(self, more_w: float, contract_w: float) -> bool:
        """Whether an operator is asked before so much more than is held is decided."""
        bounds_w = (self.consent_above_w, self.consent_above_fraction * contract_w)
        return any(0 < bound_w < more_w for bound_w in bounds_w)

    def is_due(self, received_at: datetime, now: datetime) -> bool:
        """Whether a gate has closed since a request was received."""
        if self.gate_s == 0:
            return True
        return received_at.timestamp() // self.gate_s < now.timestamp() // self.gate_s
