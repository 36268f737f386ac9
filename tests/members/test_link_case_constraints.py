"""What the database itself refuses of link cases and their codes."""

import pytest
from django.db import IntegrityError, transaction

from members.models import LinkCase, SmsChallenge
from tests import make
from tests.members.make_proofs import case_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def case():
    return case_of(make.member(), make.member())


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"guesses": 11}, "link_case_ten_guesses"),
        ({"state": "declined"}, "link_case_closed_at_follows_state"),
        ({"state": "merged"}, "link_case_closed_at_follows_state"),
        ({"closed_at": make.NOON}, "link_case_closed_at_follows_state"),
    ],
)
def test_a_case_has_ten_guesses_and_its_end_a_time(case, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        LinkCase.objects.filter(pk=case.pk).update(**fields)


@pytest.mark.parametrize(("purpose", "has_case"), [("link_case", False), ("link", True), ("step_up", True)])
def test_a_code_belongs_to_a_case_if_that_is_its_purpose(case, purpose, has_case):
    session = make.session(case.member)
    with pytest.raises(IntegrityError, match="sms_challenge_case_follows_purpose"), transaction.atomic():
        SmsChallenge.objects.create(
            purpose=purpose, phone=make.mobile(), channel=session.channel, session=session,
            code_digest=b"1", expires_at=make.NOON, case=case if has_case else None,
        )  # fmt: skip
