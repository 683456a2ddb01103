"""`ampacity bench requests`: a server of its own takes and answers all of them beside a cycle."""

import json

import pytest

from tests.acceptance.commands import run


@pytest.mark.slow
def test_every_request_is_taken_and_answered_beside_a_cycle(dsn):
    words = ("bench", "requests", "--elements", "200", "--rate", "20", "--seconds", "3", "--json")
    done = run(*words, DATABASE_URL=dsn)

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["requests"] == 60
    assert figures["unanswered"] == 0
    assert 0 < figures["taken_p50_ms"] <= figures["taken_p99_ms"]
    assert 0 < figures["answered_p50_s"] <= figures["answered_p99_s"]
    assert 0 <= figures["after_gate_p50_s"] <= figures["after_gate_p99_s"] <= figures["answered_p99_s"]
    assert 0 <= figures["cycle_s"] < 120  # by looks 0.05 s apart: of so small a grid it may be over at the first one
    assert 0 <= figures["gate_closed_s"] <= figures["cycle_s"] + 60
