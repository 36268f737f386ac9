"""Tokens: what they open, when they end, and what happens when one is used twice."""

import pytest

from members import auth
from tests import make

pytestmark = pytest.mark.django_db


def test_a_token_tells_member_channel_and_session():
    member, channel = make.member(), make.channel("mini-program")
    session = make.session(member, channel)

    proof = auth.by_token(session.tokens.access)

    assert (proof.member, proof.channel, proof.session) == (member.id, channel, session.id)
    assert str(proof.actor) == f"member/{member.id}"
    assert proof.actor.source == "/channels/mini-program"


def test_looking_changes_nothing():
    client = make.member_client(make.member(phone=make.mobile()))
    before = make.snapshot()
    auth.by_token(client.session.tokens.access)
    assert make.snapshot() == before
