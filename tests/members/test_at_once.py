"""Many at the same moment: one member, one successor, one fold, one use of a code."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from members import identity, linking, notice_sending, notices, sessions, wechat
from members.calling import Deadline
from members.models import Identity, Member, MemberNotice, Merge, NoticeConsent, NoticeTemplate, Session
from sync.act import SYSTEM, act
from sync.http import Problem
from sync.models import Event, Stream
from tests import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def at_once(*calls):
    """Run all calls in threads that start together; returns what they returned."""
    start = threading.Barrier(len(calls))

    def run(call):
        try:
            start.wait()
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [task.result() for task in [pool.submit(run, call) for call in calls]]


def challenges(doors_client, phone, count):
    return [doors_client.post("auth/sms-codes", {"phone": phone, "purpose": "sign_in"}).json() for _ in range(count)]


def test_twenty_registrations_of_one_phone_over_both_channels_make_one_member(outside, agreed):
    phone, calls = make.mobile(), []
    for channel in ("website", "mini-program"):
        client = make.client(channel)
        for sent in challenges(client, phone, 10):
            given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
            body = given | {"consents": agreed}
            calls.append(lambda client=client, body=body: make.client(client.channel).post("auth/phone", body))

    answers = at_once(*calls)

    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.json()["member"]["id"] for answer in answers}) == 1
    assert sum(answer.json()["created"] for answer in answers) == 1
    assert (Member.objects.count(), Identity.objects.count(), Session.objects.count()) == (1, 1, 20)
    assert make.types_of(Member.objects.get()) == ["member.registered"] + ["member.consent_granted"] * 2
    assert Event.objects.count() == Stream.objects.get().head == 3


def test_one_code_sent_in_by_ten_signs_one_in(outside, agreed):
    sent = challenges(make.client(), make.mobile(), 1)[0]
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"]), "consents": agreed}

    answers = at_once(*[lambda: make.client().post("auth/phone", given)] * 10)

    assert sorted(answer.status_code for answer in answers)[:2] == [200, 400]
    assert Session.objects.count() == 1


def test_two_tabs_refreshing_at_once_get_the_same_successor():
    used = make.session(make.member()).tokens.refresh
    answers = at_once(*[lambda: sessions.rotate(used)[1]] * 8)
    assert len(set(answers)) == 1
    assert sessions.revoked([str(Session.objects.get().id)]) == set()


def test_wechats_token_is_fetched_by_one_of_many(outside):
    app = make.channel("mini-program")
    assert len(set(at_once(*[lambda: wechat.access_token(app)] * 12))) == 1
    assert outside.calls == ["/cgi-bin/stable_token"]


ASK = """
import django
django.setup()
from members import wechat
from sync.models import Channel
print(wechat.access_token(Channel.objects.get(code="mini-program")))
"""


def test_wechats_token_is_fetched_by_one_of_many_processes(outside, settings):
    make.channel("mini-program")
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    known = os.environ | {"DATABASE_URL": urlunsplit(url), "WECHAT_API_URL": settings.WECHAT_API_URL}
    asking = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", ASK], env=known, stdout=subprocess.PIPE, text=True)
        for _each in range(3)
    ]
    told = {process.communicate(timeout=120)[0].strip() for process in asking}
    assert told == {outside.tokens[0]}
    assert outside.calls == ["/cgi-bin/stable_token"]


def test_who_waits_for_a_token_that_does_not_come_is_told_in_time(outside):
    app, by = make.channel("mini-program"), Deadline(wechat.LONGEST)

    def ask():
        with pytest.raises(Problem, match="wechat_unavailable"):
            wechat.access_token(app, by=by)

    started = time.monotonic()
    with outside.hanging():
        at_once(*[ask] * 4)
    assert time.monotonic() - started < wechat.LONGEST + 1.5  # two waits would take longer
    assert len(outside.requests) == 1


def test_one_message_is_sent_by_one_of_many(outside):
    app = make.channel("mini-program")
    member = make.member(channel="mini-program", openid="openid-of-ming")
    told = {"template_id": "t", "occasion": "order_shipped", "title": "t", "fields": {"number": "number1"}}
    template = NoticeTemplate.objects.create(channel=app, **told)
    NoticeConsent.objects.create(member=member, template=template, left=5)
    for n in range(6):
        notices.notify(member.id, "order_shipped", f"shipment-{n}", {"number": str(n)})

    at_once(*[notice_sending.send_due] * 6)

    sent = [call for call in outside.calls if call.endswith("/send")]
    assert (len(sent), MemberNotice.objects.filter(state="sent").count()) == (5, 5)


def test_many_who_tell_of_one_thing_take_one_acceptance(outside):
    member = make.member(channel="mini-program", openid="openid-of-ming")
    told = {"template_id": "t", "occasion": "order_shipped", "title": "t"}
    template = NoticeTemplate.objects.create(channel=make.channel("mini-program"), **told)
    NoticeConsent.objects.create(member=member, template=template, left=5)

    made = at_once(*[lambda: notices.notify(member.id, "order_shipped", "shipment-1", {})] * 6)

    assert sum(map(bool, made)) == 1
    assert (NoticeConsent.objects.get().left, MemberNotice.objects.count()) == (4, 1)


def test_one_newcomer_folded_by_many_folds_once(doors, bearer, outside):
    owner = make.member(phone=make.mobile())
    answer = doors.mini_program("openid-of-newcomer")
    token = answer.json()["tokens"]["access_token"]
    make.channel("mini-program")
    codes = [outside.phone_code(owner.phone) for _ in range(6)]

    answers = at_once(*[
        lambda code=code: make.bearing(token).post("auth/wechat/phone", {"code": code}) for code in codes
    ])  # fmt: skip

    assert sorted({answer.status_code for answer in answers}) == [200, 401]
    assert [answer.status_code for answer in answers].count(200) == 1
    assert Merge.objects.count() == 1
    assert make.types_of(owner).count("member.merged") == 1


def test_two_members_proving_one_free_phone_leave_one_holder(doors, outside):
    phone = make.mobile()
    tokens = [doors.mini_program(f"openid-number-{n}").json()["tokens"]["access_token"] for n in range(2)]

    answers = at_once(*[
        lambda token=token: make.bearing(token).post("auth/wechat/phone", {"code": outside.phone_code(phone)})
        for token in tokens
    ])  # fmt: skip

    assert [answer.status_code for answer in answers] == [200, 200]
    assert Identity.objects.filter(kind="phone").count() == 1
    assert sum(answer.json()["linked"] for answer in answers) == 1
    assert Member.objects.filter(status="active").count() == 1


def test_folding_into_each_other_at_once_leaves_one(agreed):
    here, there = make.member(openid="openid-one"), make.member(openid="openid-two")

    def fold(source, target):
        @act
        def run():
            members, _held = identity.lock_holders([], source.id, target.id)
            survivors = members[source.id], members[target.id]
            if survivors[0] != survivors[1]:
                linking.fold(*survivors, proven=source.identities.values_list("id", flat=True), by=SYSTEM)

        run()

    at_once(lambda: fold(here, there), lambda: fold(there, here))

    assert Merge.objects.count() == 1
    assert Member.objects.filter(status="active").count() == 1
