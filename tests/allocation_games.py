"""Thirty days of sharing a cable with somebody who plays the rule, and with an honest twin beside him.

Each player has a cable of its own kind of trees, so that all games run at once: on each
there are the player, a twin with the same contract and the same need to the watt, and two
neighbours.  Needs are known exactly when the quarter comes, and roughly beforehand.
"""

from dataclasses import dataclass, field

import numpy as np

from ampacity.allocation import (
    Order,
    Requests,
    decide_requests,
    instant_left_w,
    is_unused,
    is_used_up,
    need_cap,
    share_with_grants,
)

PLAYERS = ("honest", "waster", "over-asker", "splitter", "fast poller", "hoarder")
PARTS = 5  # into which the splitter splits its contract
GATES = 3  # in a quarter hour
AHEAD = 8  # quarters that are shared and asked for
CONTRACT_W = np.array([40e3, 40e3, 30e3, 20e3])  # player, twin, two neighbours


@dataclass
class Game:
    """What happened on each cable; arrays by game."""

    useful_wh: np.ndarray  # (games, 4)
    while_unsatisfied_wh: np.ndarray  # (games, 2) of player and twin, in quarters in which the twin lacked something
    short_quarters: np.ndarray  # (games,)


@dataclass
class Table:
    """Who sits where: a row for each group."""

    game: np.ndarray
    person: np.ndarray
    contract_w: np.ndarray
    history_w: list[np.ndarray] = field(default_factory=list)

    @property
    def groups(self) -> int:
        return len(self.game)


def seat() -> Table:
    rows = []
    for game, player in enumerate(PLAYERS):
        for person, contract_w in enumerate(CONTRACT_W):
            parts = PARTS if player == "splitter" and person == 0 else 1
            rows += [(game, person, contract_w / parts)] * parts
    game, person, contract_w = zip(*rows, strict=True)
    return Table(np.array(game), np.array(person), np.array(contract_w))


def needs_w(rng: np.random.Generator, quarters: int) -> np.ndarray:
    """What each person needs (4, quarters): cars that come and go, the twin's need the player's own."""
    need = np.zeros((4, quarters))
    for person in (0, 2, 3):
        level = np.repeat(rng.random(-(-quarters // 6)), 6)[:quarters]
        busy = np.repeat(rng.random(-(-quarters // 10)) < 0.5, 10)[:quarters]
        need[person] = CONTRACT_W[person] * np.where(busy, 0.2 + 0.8 * level, 0.05)
    need[1] = need[0]
    return need


def headroom_w(rng: np.random.Generator, quarters: int) -> np.ndarray:
    day = np.exp(-(((np.arange(quarters) % 96) / 4 - 19) ** 2) / 12)
    return 95e3 - 50e3 * day * (0.8 + 0.4 * np.repeat(rng.random(-(-quarters // 8)), 8)[:quarters])


def play(days: int = 30, seed: int = 1, pool: float = 0.1, order: Order = Order.FAIR) -> Game:
    rng = np.random.default_rng(seed)
    table, quarters = seat(), days * 96
    need, room = needs_w(rng, quarters + AHEAD), headroom_w(rng, quarters + AHEAD)
    grants_w = np.full((table.groups, quarters + AHEAD), np.nan)
    use_w = np.full((table.groups, quarters + AHEAD), np.nan)
    wanted_w = np.full((table.groups, quarters + AHEAD), np.nan)
    games = len(PLAYERS)
    result = Game(np.zeros((games, 4)), np.zeros((games, 2)), np.zeros(games))
    last_w = np.full((table.groups, 2), np.nan)
    for t in range(quarters):
        ahead = slice(t, t + AHEAD)
        if t > 1:  # what is not used lapses, and is open to be asked for again
            unused = is_unused(use_w[:, t - 2 : t], last_w)
            grants_w[unused, ahead] = wanted_w[unused, ahead] = np.nan
        expected_w = need[:, ahead] * (1 + 0.4 * rng.standard_normal((4, AHEAD)) * (np.arange(AHEAD) > 0))
        expected_w[1] = expected_w[0]
        head = np.repeat(room[ahead][None], games, axis=0)[:, None]
        held_w = _shares(table, head, pool, grants_w[:, ahead], _caps(table, use_w, wanted_w, last_w, t))
        for gate in range(GATES):
            ask_w = _asked(table, held_w, np.maximum(expected_w, 0), gate)
            held_w = _gate(table, head, held_w, ask_w, grants_w[:, ahead], wanted_w[:, ahead], order)
        _serve(table, need[:, t], held_w[:, 0], use_w[:, t], result)
        last_w = np.column_stack([last_w[:, 1], held_w[:, 0]])
    return result


def _caps(table: Table, use_w: np.ndarray, wanted_w: np.ndarray, last_w: np.ndarray, t: int) -> np.ndarray:
    days = [use_w[:, t - 96 * d : t - 96 * d + AHEAD] for d in range(1, 15) if t - 96 * d >= 0]
    recent_w = np.array(days or np.zeros((0, table.groups, AHEAD)))
    open_w = np.zeros((table.groups, AHEAD), bool)
    if t:
        open_w |= is_used_up(use_w[:, t - 1], last_w[:, 1])[:, None]
    cap_w = need_cap(recent_w, table.contract_w, quantile=0.9, ramp_fraction=0.1, open_w=open_w)
    asked_w = wanted_w[:, t : t + AHEAD]
    return np.minimum(np.where(np.isnan(asked_w), cap_w, asked_w), table.contract_w[:, None])


def _shares(table: Table, head_w: np.ndarray, pool: float, granted_w: np.ndarray, cap_w: np.ndarray) -> np.ndarray:
    return share_with_grants(
        head_w, head_w * pool, np.full(len(PLAYERS), -1), table.game, np.ones((table.groups, 1)), table.contract_w,
        np.zeros_like(cap_w), cap_w, granted_w,
    ).allocated_w  # fmt: skip


def _asked(table: Table, held_w: np.ndarray, expected_w: np.ndarray, gate: int) -> np.ndarray:
    """Wanted totals (G, AHEAD), NaN where nobody asks."""
    ask_w = np.full(held_w.shape, np.nan)
    for g in range(table.groups):
        player = PLAYERS[table.game[g]] if table.person[g] == 0 else "honest"
        need_w = expected_w[table.person[g]]
        contract_w = table.contract_w[g]
        match player:
            case "over-asker":
                want_w = np.full(AHEAD, contract_w)
            case "splitter":  # each part asks as if the whole need were its own
                want_w = np.minimum(need_w, contract_w)
            case "hoarder":  # takes all that is far, and gives back at the last moment
                want_w = np.where(np.arange(AHEAD) > 0, contract_w, need_w)
            case _:  # what it expects to need: gives back what it will not, asks for what it lacks
                want_w = np.minimum(need_w, contract_w)
        if gate == 0 or player == "fast poller":
            ask_w[g] = want_w
    return ask_w


def _gate(
    table: Table,
    head: np.ndarray,
    held_w: np.ndarray,
    ask_w: np.ndarray,
    granted_w: np.ndarray,
    wanted_w: np.ndarray,
    order: Order,
) -> np.ndarray:
    """Decide a gate; running grants and standing wishes are updated in place."""
    asking = np.flatnonzero(~np.isnan(ask_w).all(axis=1))
    if asking.size == 0:
        return held_w
    decided = decide_requests(
        Requests(asking, ask_w[asking], np.zeros(asking.size, bool)), held_w, head, np.full(len(PLAYERS), -1),
        table.game, np.ones((table.groups, 1)), table.contract_w, order=order,
    )  # fmt: skip
    changed = np.abs(decided.held_w - held_w) > 1e-6
    granted_w[changed] = decided.held_w[changed]
    wanted_w[asking] = ask_w[asking]
    return decided.held_w


def _serve(table: Table, need_w: np.ndarray, held_w: np.ndarray, use_w: np.ndarray, result: Game) -> None:
    """The quarter hour itself: who wastes draws all it may, the others what they need."""
    held_by = np.zeros((len(PLAYERS), 4))
    np.add.at(held_by, (table.game, table.person), held_w)
    useful = np.minimum(held_by, need_w)
    part = held_w / np.maximum(held_by[table.game, table.person], 1e-9)
    wastes = (table.person == 0) & (np.array(PLAYERS)[table.game] == "waster")
    use_w[:] = np.where(wastes, held_w, useful[table.game, table.person] * part)
    lacking = useful[:, 1] < need_w[1] - 1.0
    result.useful_wh += useful / 4
    result.while_unsatisfied_wh += np.where(lacking[:, None], useful[:, :2], 0) / 4
    result.short_quarters += lacking


POLLS = 4  # between two gates
SHARE = 0.05  # of the contract, that may be had at once


def play_between_gates(days: int = 10, seed: int = 2, *, is_per_request: bool = False) -> Game:
    """At a gate each quarter hour needs are known roughly, then to the watt: a little more can be had at once.

    All but the fast poller ask once for the little; it asks at every poll.  `is_per_request`
    grants the little to each request anew.
    """
    rng = np.random.default_rng(seed)
    table, quarters = seat(), days * 96
    need, room = needs_w(rng, quarters), headroom_w(rng, quarters)
    games = len(PLAYERS)
    result = Game(np.zeros((games, 4)), np.zeros((games, 2)), np.zeros(games))
    for t in range(quarters):
        rough_w = need[:, t] * (1 + 0.4 * rng.standard_normal(4))
        rough_w[1] = rough_w[0]
        head = np.full((games, 1, 1), room[t])
        held_w = _ask_once(table, head, np.zeros((table.groups, 1)), np.maximum(rough_w, 0)[table.person, None])
        had_w = np.zeros(table.groups)
        for poll in range(POLLS):
            polls = (table.person == 0) & (np.array(PLAYERS)[table.game] == "fast poller")
            left_w = instant_left_w(table.contract_w, had_w, SHARE)
            ask_w = np.minimum(need[table.person, t], held_w[:, 0] + left_w)[:, None]
            ask_w[~polls & (poll > 0)] = np.nan
            before_w = held_w
            held_w = _ask_once(table, head, held_w, ask_w)
            if not is_per_request:
                had_w += np.maximum(held_w - before_w, 0.0)[:, 0]
        _serve(table, need[:, t], held_w[:, 0], np.zeros(table.groups), result)
    return result


def _ask_once(table: Table, head: np.ndarray, held_w: np.ndarray, ask_w: np.ndarray) -> np.ndarray:
    ask_w = np.minimum(ask_w, table.contract_w[:, None])
    asking = np.flatnonzero(~np.isnan(ask_w).all(axis=1))
    return decide_requests(
        Requests(asking, ask_w[asking], np.zeros(asking.size, bool)), held_w, head, np.full(len(PLAYERS), -1),
        table.game, np.ones((table.groups, 1)), table.contract_w,
    ).held_w  # fmt: skip
