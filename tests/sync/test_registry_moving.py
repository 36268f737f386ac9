"""A channel and its sharing group: chosen once, mended only while nothing belongs to the channel."""

import pytest

from sync import registry
from sync.models import Channel, SharingGroup
from tests import make
from tests.config import make_staff
from tests.orders import make_orders
from tests.sync import make_deliveries
from tests.sync.test_registry_pages import filled, page_of, wrong

pytestmark = pytest.mark.django_db


@pytest.fixture
def website():
    return make.channel("website")


def _knows_a_member(channel):
    make.admit("member/1", channel)


def _asserted_somebody(channel):
    make.identity(make.member(channel=None), "external", "C-1", channel=channel, proof="asserted")


def _has_an_order(channel):
    make_orders.order(member=None, channel=channel)


def _was_pushed_an_event(channel):
    make_deliveries.delivery(make_deliveries.endpoint(channel))


@pytest.mark.parametrize("use", [_knows_a_member, _asserted_somebody, _has_an_order, _was_pushed_an_event])
def test_a_channel_in_use_stays_in_its_sharing_group(website, use):
    other = SharingGroup.objects.create(code="elsewhere", name="另一家")
    browser = make_staff.signed_in(is_superuser=True)
    use(website)
    before = make.snapshot()
    (said,) = wrong(browser.post(page_of(website), filled(browser, website, group=other.pk)))["group"]
    assert "请在另一共享组中新建渠道" in said
    assert make.snapshot() == before
    assert browser.post(page_of(website), filled(browser, website, name="官网")).status_code == 302


def test_a_channel_that_nothing_belongs_to_is_moved_and_moved_back(website):
    make_deliveries.endpoint(website)
    other, first = SharingGroup.objects.create(code="elsewhere", name="另一家"), website.group_id
    browser = make_staff.signed_in(is_superuser=True)
    for group in (other.pk, other.pk, first):
        answer = browser.post(page_of(website), filled(browser, website, group=group))
        assert answer.status_code == 302, wrong(answer)
        assert Channel.objects.get(pk=website.pk).group_id == group


def test_looking_whether_a_channel_is_used_ends_at_the_first_thing_found(website, django_assert_num_queries):
    with django_assert_num_queries(17):  # the row's lock, members, pushed events, 14 tables of other floors
        assert not registry.is_used(website)
    for subject in ("member/1", "member/2", "member/3"):
        make.admit(subject, website)
        with django_assert_num_queries(2):  # the row's lock, members
            assert registry.is_used(website)
