"""What the benchmark of requests makes of what it saw of the gate."""

from datetime import UTC, datetime, timedelta

from ampacity.app.bench_gate import waits_after_gate
from ampacity.store.intake_bench import AnsweredRequest

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def request(recorded_s: float, decided_s: float, sent_s: float) -> AnsweredRequest:
    return AnsweredRequest(recorded_at=at(recorded_s), decided_at=at(decided_s), sent_at=at(sent_s))


def test_an_answer_is_waited_for_from_when_its_request_could_be_decided():
    closed = [(at(10), at(14)), (at(20), at(21))]
    answered = [
        request(1, 1.5, 2),  # before any
        request(9, 14.2, 15),  # came before the gate closed, and waited
        request(9, 9.5, 15),  # decided before it closed, sent late
        request(9, 10.1, 15),  # decided while who closes it still waited for that
        request(11, 14.5, 15),  # came when it was closed
        request(13, 21.5, 23),  # missed the first opening, and waited for the second
        request(15, 16, 17),  # between them
    ]

    assert waits_after_gate(answered, closed) == [1, 1, 6, 6, 1, 2, 2]
