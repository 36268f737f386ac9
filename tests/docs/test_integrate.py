"""The guide for integrators is true: every example is run against the hub, in the order in which it is read."""

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from standardwebhooks import Webhook

from config.contract import document
from sync import events
from sync.act import act
from sync.http import instant
from sync.http.problems import CODES
from tests import make
from tests.docs import examples
from tests.engines import ROOT
from tests.members.outside import Server
from tests.orders import make_orders as o
from tests.sync.live import live_running, session

GUIDE, CHINESE = ROOT / "docs" / "integrate.md", ROOT / "docs" / "integrate.zh.md"
both = pytest.mark.parametrize("path", [GUIDE, CHINESE], ids=["english", "chinese"])
INBOUND = "whsec_" + base64.b64encode(b"the shop's inbound secret 01").decode()


@pytest.fixture
def outside(settings):
    with Server() as server:
        settings.SMS_SENDER, settings.SMS_SANDBOX_URL = "sandbox", f"{server.url}/sms"
        yield server.outside


@pytest.fixture
def story(transactional_db, outside) -> examples.Story:
    """What an integrator is given, and what nobody can know before."""
    website, _twin = make.channel("website", inbound_secret=INBOUND), make.channel("mini-program")
    make.policies()
    o.earning()
    begun = datetime.now(UTC)
    known = {
        "api_key": make.backend_client(website).headers["Authorization"].removeprefix("Bearer "),
        "now": lambda _body: instant(datetime.now(UTC)),
        "seconds": str(int(begun.timestamp())),
        "signature": lambda body: Webhook(INBOUND).sign("shop-2024-000042", begun, body),
        "sms_code": lambda _body: outside.messages[-1]["code"],
    }
    return examples.Story(known)


def settle() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sync_settle()")


def guide(path: Path = GUIDE) -> str:
    return path.read_text("utf-8")


def test_both_languages_give_the_same_examples_and_sections():
    assert examples.BLOCK.findall(guide(CHINESE)) == examples.BLOCK.findall(guide())
    told, translated = (re.findall(r"^## ([0-9]+)\. (.+)$", guide(path), re.MULTILINE) for path in (GUIDE, CHINESE))
    assert len(told) == len(translated)
    for (number, title), (same, chinese) in zip(told, translated, strict=True):
        assert (number, title.endswith(chinese)) == (same, True), title


def test_every_example_does_what_the_guide_says(story):
    told = examples.exchanges(guide())
    assert len(told) > 25
    for asked, answered in told:
        story.run(asked, answered)
        settle()


@pytest.mark.parametrize(
    ("found", "is_told"),
    [
        ({"a": 1, "b": [2]}, True),
        ({"a": 2, "b": [2]}, False),
        ({"b": [2]}, False),
        ({"a": 1, "b": []}, False),
        ({"a": 1, "b": [2], "c": 3}, True),
    ],
)
def test_an_answer_that_is_otherwise_than_the_guide_says_is_noticed(found, is_told):
    try:
        examples.Story({}).hold({"a": 1, "b": [2], "…": "…"}, found, "here")
    except AssertionError:
        assert not is_told
    else:
        assert is_told


def test_the_socket_says_what_the_guide_says(transactional_db):
    (block,) = examples.blocks(guide(), "frames")
    mine = session()
    story = examples.Story({"member_id": str(mine.member_id)})
    for version in (1, 2):
        told(mine.member_id, version)
    with live_running() as live, live.open(mine, after=0) as client:
        for number, line in enumerate(block.splitlines()):
            frame = json.loads(line[2:])
            if line.startswith("<"):
                story.hold(frame, client.frame(), f"frame {number}")
            else:
                client.say(**frame)
        assert client.is_quiet()


@act
def told(member, version: int) -> None:
    data = {"id": str(member), "version": version, "changed": ["nickname"]}
    events.record("member.updated", subject=events.of_member(member), data=data, by=make.BACKEND)


def test_the_lines_that_sign_do_as_the_official_library():
    (lines,) = examples.blocks(guide(), "python")
    known = {}
    exec(lines, known)  # noqa: S102 - our own guide
    body = '{"data": "龙井"}'
    headers = known["signed"](INBOUND, "m-1", body.encode())
    assert Webhook(INBOUND).verify(body, headers) == {"data": "龙井"}


@both
def test_every_code_the_guide_names_is_one_of_the_contracts(path):
    named = re.findall(r"\b([1-5][0-9][0-9])\s+`([a-z_]+)`", guide(path))
    assert len(named) > 10
    assert {code: int(status) for status, code in named}.items() <= {code: of[0] for code, of in CODES.items()}.items()


@both
def test_the_inbox_takes_every_type_the_guide_names_and_no_other(path, settings):
    section = guide(path).split("\n## 7. ")[1].split("\n## 8. ")[0]
    named = set(re.findall(r"^\| `.+$", section, re.MULTILINE))
    types = set(re.findall(r"`((?:member|order|points)\.[a-z_]+)`", "".join(named)))
    assert types == {type for type in settings.INBOX_HANDLERS if type.split(".")[0] in {"member", "order", "points"}}


def test_pauses_and_keeping_are_those_of_the_settings(settings):
    written = re.search(r"^COURIER_SCHEDULE = \[(.+?)\]", (ROOT / "config/settings.py").read_text(), re.MULTILINE)
    words = {5: "5 s", 300: "5 min", 1_800: "30 min", 7_200: "2 h", 18_000: "5 h", 36_000: "10 h"}
    assert ", ".join(words[int(pause)] for pause in written[1].split(", ")) + " (± 20 %)" in guide()
    assert f"holds {settings.EVENT_RETENTION_DAYS} days" in guide()
    assert f"保留 {settings.EVENT_RETENTION_DAYS} 天" in guide(CHINESE)


@both
def test_every_link_leads_somewhere(path):
    anchors = {anchor(title) for title in re.findall(r"^#+ (.+)$", guide(path), re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", guide(path)):
        is_known = target[1:] in anchors if target.startswith("#") else (path.parent / target).is_file()
        assert is_known or target.startswith("https://"), target


@both
def test_every_path_the_guide_names_is_served(path):
    """As `METHOD path`, with or without /api/v1/; what a method stands before is a call."""
    served = {(method.upper(), re.sub(r"\{\w+\}", "{}", at)) for at, of in document()["paths"].items() for method in of}
    for method, at in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (?:/api/v1/)?((?!http)[a-z][\w/{}-]*)", guide(path)):
        assert (method, "/api/v1/" + re.sub(r"\{\w+\}", "{}", at)) in served, f"{method} {at}"


def anchor(title: str) -> str:
    """As GitHub and others name a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
