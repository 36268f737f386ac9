"""What can let nobody in any more does not stay."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members import forgetting, tasks
from members.models import Registration, SmsChallenge
from tests import make

pytestmark = pytest.mark.django_db


def test_what_ended_more_than_an_hour_ago_is_forgotten(doors):
    for _ in range(2):
        doors.sms(make.mobile(), consents=[])
    long_ago = timezone.now() - timedelta(minutes=61)
    for model in (SmsChallenge, Registration):
        model.objects.filter(pk=model.objects.first().pk).update(expires_at=long_ago)

    assert forgetting.forget_expired() == 2
    assert (SmsChallenge.objects.count(), Registration.objects.count()) == (1, 1)
    tasks.forget_expired()
    assert (SmsChallenge.objects.count(), Registration.objects.count()) == (1, 1)
