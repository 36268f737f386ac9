"""Two brands in two sharing groups on one hub: neither learns anything of the other by any call of the contract.

A crawler over the served OpenAPI, as each of a brand's callers, with everything the other brand has in paths and
bodies: no answer holds a trace of it, nothing of it changes, and every list reads as if the other were not there.
"""

import re

import pytest

from sync.models import Event
from tests import make
from tests.config import make_brands
from tests.config.endpoints import NUMBER, UNKNOWN, Endpoint, all_of_them
from tests.config.make_brands import Brand, ask, brand, found, rows_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENDPOINTS = all_of_them()
# A feed's cursor is sealed anew each time: nobody but the hub reads it, so it counts nobody's events.
NEW = ("request_id", "cursor", "ticket", "url", "last_seen_at", "member_code")
ALWAYS_NEW = re.compile(rf'"({"|".join(NEW)})": ?"[^"]*"|"to": ?"20[^"]*"')  # counted up to now
NOBODY_HAS = "codes, tokens and tickets that nobody has: those of the other brand are tried by test_two_brands_named"
NOT_VALID = {  # operations that whoever may call them cannot call rightly with what the other brand has
    **dict.fromkeys(("post_auth_grant", "post_auth_phone", "post_auth_phone_link", "post_auth_register"), NOBODY_HAS),
    **dict.fromkeys(("post_auth_step_up", "post_auth_wechat_website", "put_me_phone"), NOBODY_HAS),
    "post_me_avatar": "takes a file, and names nothing",
    "post_me_notices": "a template of another channel is none",
    "post_link_cases_case_id_challenges": "the case is about somebody without a phone",
    "post_orders_number_refunds": "a line of another order is none of this order's",
    "post_me_orders_number_refunds": "a line of another order is none of this order's",
}


def about(brand: Brand, body):
    """The same body, with the brand's objects wherever it names one."""
    if isinstance(body, dict):
        return {key: brand.line if key == "line_id" else about(brand, value) for key, value in body.items()}
    if isinstance(body, list):
        return [about(brand, each) for each in body]
    return {UNKNOWN: str(brand.member.pk), NUMBER: brand.parameters["number"]}.get(body, body)


def of_inbox(endpoint: Endpoint, own: Brand, body):
    """What is pushed says who pushes it: anything else is refused before it is looked at."""
    return body | {"source": f"/channels/{own.code}"} if endpoint.is_signed else body


def read(endpoint: Endpoint, caller: make.Caller, parameters: dict) -> tuple[int, str]:
    """What a GET answers, less what is new each time."""
    answer = ask(endpoint, caller, parameters, None, **({"limit": "100"} if endpoint.takes("limit") else {}))
    return answer.status_code, ALWAYS_NEW.sub("", answer.content.decode(errors="replace"))


READS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"]
SIDES = pytest.mark.parametrize(("mine", "theirs"), [("website", "elsewhere"), ("elsewhere", "website")])


@pytest.fixture(autouse=True)
def world(db):
    make_brands.world()


@SIDES
def test_no_answer_tells_anything_of_the_other_brand_and_nothing_of_it_changes(mine, theirs):
    own, other = brand(mine), brand(theirs)
    before, leaks, not_valid = rows_of(other), [], set()
    for endpoint in sorted(ENDPOINTS, key=lambda each: each.method != "GET"):
        for kind, caller in own.callers().items():
            for parameters in (own.parameters, other.parameters):
                body = of_inbox(endpoint, own, about(other, endpoint.body))
                answer = ask(endpoint, caller, parameters, body)
                assert answer.status_code != 500, (endpoint, kind, answer.content)  # 503: an outside that is not there
                if answer.status_code == 400:
                    not_valid.add(endpoint.name)
                if told := found(answer, other, parameters, body):
                    leaks.append((str(endpoint), kind, answer.status_code, told))
    assert leaks == []
    assert not_valid == NOT_VALID.keys()
    assert [row for row in rows_of(other) if row not in before] == []
    assert [row for row in before if row not in rows_of(other)] == []


@SIDES
def test_every_read_is_the_same_whether_or_not_the_other_brand_is_there(mine, theirs):
    own = brand(mine)
    callers = own.callers()
    before = {(each, kind): read(each, callers[kind], own.parameters) for each in READS for kind in callers}
    assert sum(status == 200 for status, _content in before.values()) > len(READS) / 2
    other = brand(theirs)
    assert Event.objects.filter(subject=f"member/{other.member.pk}").exists()
    after = {(endpoint, kind): read(endpoint, callers[kind], own.parameters) for endpoint, kind in before}
    assert {k: (v, after[k]) for k, v in before.items() if after[k] != v} == {}


@SIDES
def test_what_the_other_brand_has_is_found_by_its_own_callers(mine, theirs):
    """The crawler can see: what it looks for is there for whom it concerns."""
    own = brand(mine)
    brand(theirs)
    callers = own.callers().values()
    answers = [ask(endpoint, caller, own.parameters, None) for endpoint in READS for caller in callers]
    told = {trace for answer in answers for trace in found(answer, own)}
    named = {f"earned-by-{mine}", f"order-of-{mine}", f"order:{own.order.number}:paid"}
    assert {own.parameters["number"], str(own.member.pk), *named} <= told
    assert told & {str(id) for id in Event.objects.values_list("id", flat=True)}
