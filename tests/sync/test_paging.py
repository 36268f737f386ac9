"""Cursor lists: every row once, forwards and back, whatever is inserted meanwhile; malformed input is 400."""

import base64
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request

from sync.http import Keyset, Problem, etag, page_size, read_cursor, require_match
from sync.models import Quota
from tests import plans

NEWEST = Keyset(("count", "id"))
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_else(db):
    """Quotas that outlive acts outlive the tests that counted them."""
    Quota.objects.all().delete()


def request(url="/api/v1/things", **headers):
    return Request(RequestFactory().get(url, headers=headers))


def rows(number):
    Quota.objects.bulk_create(
        [Quota(key=str(n), window="2026-01-01T00:00:00Z", count=n // 3) for n in range(number)]  # ties on purpose
    )
    return [row.key for row in Quota.objects.order_by("-count", "-id")]


def walk(page, link):
    url = getattr(page, link)
    assert url.startswith("http://127.0.0.1")
    split = urlsplit(url)
    return NEWEST.page(request(f"{split.path}?{split.query}"), Quota.objects.all())


def test_pages_hold_every_row_once_in_both_directions():
    expected = rows(11)
    page = NEWEST.page(request("/api/v1/things?limit=4"), Quota.objects.all())
    assert page.previous is None
    pages = [page]
    while pages[-1].next:
        pages.append(walk(pages[-1], "next"))
    assert [row.key for page in pages for row in page.rows] == expected
    back = [pages[-1]]
    while back[-1].previous:
        back.append(walk(back[-1], "previous"))
    assert [row.key for page in reversed(back) for row in page.rows] == expected


def test_a_row_inserted_meanwhile_moves_nothing():
    expected = rows(6)
    page = NEWEST.page(request("/api/v1/things?limit=3"), Quota.objects.all())
    Quota.objects.create(key="new", window="2026-01-01T00:00:00Z", count=99)
    assert [row.key for row in walk(page, "next").rows] == expected[3:]


def test_a_deep_page_starts_where_the_cursor_stands():
    rows(9)
    page = NEWEST.page(request("/api/v1/things?limit=3"), Quota.objects.all())
    with CaptureQueriesContext(connection) as asked, connection.cursor() as cursor:
        cursor.execute("CREATE INDEX quota_newest ON sync_quota (count DESC, id DESC)")
        walk(page, "next")
    plan = plans.of(asked[-1]["sql"], without=("seqscan", "bitmapscan", "sort"))
    assert "Index Cond: (count <= " in plan, plan


def test_an_empty_list_has_no_neighbours():
    page = NEWEST.page(request(), Quota.objects.all())
    assert page.body([]) == {"next": None, "previous": None, "results": []}


def test_links_keep_the_filters():
    rows(3)
    page = NEWEST.page(request("/api/v1/things?limit=1&status=paid"), Quota.objects.all())
    assert dict(parse_qsl(urlsplit(page.next).query)).keys() == {"limit", "status", "cursor"}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "a", "1.0", "１２", "", "1e2", "99999999999"])
def test_a_malformed_limit_is_refused(limit):
    with pytest.raises(Problem) as refused:
        page_size(request(f"/?limit={limit}"))
    assert refused.value.errors[0][0] == "limit"


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


MALFORMED = ["[]", "[1, []]", "[false, [1]]", '[false, ["a", "b"]]', "[false, [[1], 2]]", "[false, [null, 2]]"]
MALFORMED += ["[" * 5000, "[false, [1e999, 1]]"]
NO_BASE64 = ["x", "%00", "é", "!", encoded("[false,[1,1]]") + "*"]


@pytest.mark.parametrize("cursor", [*NO_BASE64, *map(encoded, MALFORMED)])
def test_a_malformed_cursor_is_refused(cursor):
    rows(1)
    with pytest.raises(Problem) as refused:
        NEWEST.page(request(f"/?cursor={cursor}"), Quota.objects.all())
    assert refused.value.errors[0][0] == "cursor"
    assert read_cursor(request()) is None


CURRENT = {"nickname": "李"}


@pytest.mark.parametrize("tag", [etag(CURRENT), "W/" + etag(CURRENT), "*", f'"other", {etag(CURRENT)}'])
def test_the_version_that_was_read_may_be_changed(tag):
    require_match(request(**{"If-Match": tag}), CURRENT)


def test_an_older_version_is_told_the_current_one():
    with pytest.raises(Problem) as refused:
        require_match(request(**{"If-Match": '"old"'}), CURRENT)
    assert (refused.value.code, refused.value.more) == ("version_conflict", {"current": CURRENT})


def test_a_change_without_a_version_is_refused_where_it_is_required():
    require_match(request(), CURRENT, required=False)
    with pytest.raises(Problem) as refused:
        require_match(request(), CURRENT)
    assert refused.value.code == "precondition_required"
