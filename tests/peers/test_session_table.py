"""What may happen in a session, and what follows."""

import pytest

from ampacity.peers.session import TRANSITIONS, PeerEvent, PeerState, has_registered, next_state

S, E = PeerState, PeerEvent


def walk(state: PeerState, *events: PeerEvent) -> PeerState:
    for event in events:
        after = next_state(state, event)
        assert after is not None, f"{event} cannot happen in {state}"
        state = after
    return state


def test_a_peer_that_is_invited_gets_connected():
    handshake = (E.HANDSHAKE_SENT, E.ACKNOWLEDGED)
    assert walk(S.REMOVED, E.INVITED, E.REGISTER_RECEIVED, E.REPLY_DELIVERED, *handshake) is S.CONNECTED


def test_a_peer_that_we_register_with_gets_connected_whichever_answer_comes_first():
    assert walk(S.REMOVED, E.STARTED, E.REPLY_RECEIVED, E.HANDSHAKE_SENT, E.ACKNOWLEDGED) is S.CONNECTED
    assert walk(S.REMOVED, E.STARTED, E.REPLY_RECEIVED, E.ACKNOWLEDGED, E.HANDSHAKE_SENT) is S.CONNECTED


def test_a_silent_peer_comes_back_by_a_handshake():
    assert walk(S.CONNECTED, E.FELL_SILENT) is S.OFFLINE
    assert walk(S.OFFLINE, E.HEARD) is S.HANDSHAKING
    assert walk(S.OFFLINE, E.HEARD, E.HANDSHAKE_SENT, E.ACKNOWLEDGED) is S.CONNECTED


def test_a_lost_reply_is_made_good_by_the_token_it_carried():
    assert walk(S.REMOVED, E.INVITED, E.REGISTER_RECEIVED, E.TOKEN_PROVED) is S.REGISTERED
    assert walk(S.REGISTERED, E.REPLY_DELIVERED) is S.REGISTERED


@pytest.mark.parametrize("state", S)
def test_every_session_can_end_and_begin_anew(state):
    assert next_state(state, E.REMOVED) is S.REMOVED
    assert walk(S.REMOVED, E.INVITED) is S.INVITED
    assert next_state(state, E.STARTED) is S.REGISTERING


@pytest.mark.parametrize("state", [S.INVITED, S.REGISTERING, S.REMOVED])
def test_nothing_but_a_registration_comes_from_who_has_not_registered(state):
    assert not has_registered(state)
    for event in (E.RENEWED, E.HANDSHAKE_RECEIVED, E.ACKNOWLEDGED, E.HEARD, E.FELL_SILENT, E.HANDSHAKE_SENT):
        assert next_state(state, event) is None


def test_a_removed_peer_cannot_register():
    assert next_state(S.REMOVED, E.REGISTER_RECEIVED) is None


def test_every_state_but_the_first_can_be_reached():
    assert set(TRANSITIONS.values()) == set(S)
