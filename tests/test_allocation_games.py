"""Nobody ends with more served energy than an honest twin while that one lacks something."""

import pytest

from ampacity.allocation import Order
from tests.allocation_games import PLAYERS, play, play_between_gates


@pytest.fixture(scope="module", params=[10, pytest.param(30, marks=pytest.mark.slow)], ids=["10 days", "30 days"])
def played(request):
    return play(days=request.param)


@pytest.mark.parametrize("player", PLAYERS)
def test_playing_the_rule_for_days_gains_nothing(played, player):
    mine_wh, twin_wh = played.while_unsatisfied_wh[PLAYERS.index(player)]

    assert played.short_quarters[PLAYERS.index(player)] > 100  # there was something to gain
    assert mine_wh <= twin_wh * (1 + 1e-9)


def test_neighbours_of_a_player_lose_little(played):
    """An over-asker leaves a part of its own entitlement idle: measured 2 %, it gains nothing by it."""
    honest_wh = played.useful_wh[PLAYERS.index("honest"), 2:]

    assert (played.useful_wh[:, 2:] >= honest_wh * (1 - 0.03)).all()


def test_first_come_first_served_pays_the_one_who_takes_early():
    """The games are not too easy: under the other policy hoarding wins."""
    week = play(days=7, order=Order.FIRST_COME)

    mine_wh, twin_wh = week.while_unsatisfied_wh[PLAYERS.index("hoarder")]
    assert mine_wh > 1.05 * twin_wh


def test_polling_between_gates_gains_nothing():
    """What may be had at once is a share until the next gate, not a share for each request."""
    days = play_between_gates(days=5)

    mine_wh, twin_wh = days.while_unsatisfied_wh[PLAYERS.index("fast poller")]
    assert days.short_quarters[PLAYERS.index("fast poller")] > 100
    assert mine_wh <= twin_wh * (1 + 1e-9)


def test_a_share_for_each_request_would_pay_the_fast_poller():
    """The game is not too easy: were the share each request's own, polling would win."""
    days = play_between_gates(days=3, is_per_request=True)

    mine_wh, twin_wh = days.while_unsatisfied_wh[PLAYERS.index("fast poller")]
    assert mine_wh > 1.05 * twin_wh
