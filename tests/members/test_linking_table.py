"""Who somebody is once they prove a phone, a WeChat id or a customer number: the table, every row run as a client does.

"empty" owns nothing of value, "value" has an order. A session is "fresh" for ten minutes after the signing in, else
"idle". What the other holds was last proven, or said by a channel, just now ("fresh") or 91 days ago ("idle"); "idle,
but seen" is an owner who was here lately all the same. "said" is a channel's word alone, asserted and never proven.
"""

import pytest

from members.models import Member, Merge
from tests import make
from tests.members.make_table import World, rows

pytestmark = pytest.mark.django_db

PHONE_LINKED = """
the phone is of             I own   proof   session  last proven     outcome                 it is then of
none                        empty   sms     fresh    -               me                      me
none                        empty   sms     idle     -               me                      me
none                        empty   wechat  fresh    -               me                      me
none                        empty   wechat  idle     -               me                      me
none                        value   sms     fresh    -               me                      me
none                        value   sms     idle     -               me                      me
none                        value   wechat  fresh    -               me                      me
none                        value   wechat  idle     -               me                      me
me                          value   sms     fresh    fresh           me                      me
me                          value   sms     idle     idle            me                      me
me                          value   wechat  fresh    fresh           me                      me
me                          value   wechat  idle     idle            me                      me
other                       empty   sms     fresh    fresh           folded                  the other
other                       empty   sms     idle     fresh           me, a case              the other
other                       empty   wechat  fresh    fresh           folded                  the other
other                       empty   wechat  idle     fresh           me, a case              the other
other                       value   sms     fresh    fresh           me, a case              the other
other                       value   sms     idle     fresh           me, a case              the other
other                       value   wechat  fresh    fresh           me, a case              the other
other                       value   wechat  idle     fresh           me, a case              the other
other                       empty   sms     fresh    idle, but seen  folded                  the other
other                       empty   sms     idle     idle, but seen  me, a case              the other
other                       empty   wechat  fresh    idle, but seen  me, a case              the other
other                       empty   wechat  idle     idle, but seen  me, a case              the other
other                       value   sms     fresh    idle, but seen  me, a case              the other
other                       value   sms     idle     idle, but seen  me, a case              the other
other                       value   wechat  fresh    idle, but seen  me, a case              the other
other                       value   wechat  idle     idle, but seen  me, a case              the other
other                       empty   sms     fresh    idle            me, a recycled case     me
other                       empty   sms     idle     idle            me, a recycled case     me
other                       empty   wechat  fresh    idle            me, a recycled case     the other
other                       empty   wechat  idle     idle            me, a recycled case     the other
other                       value   sms     fresh    idle            me, a recycled case     me
other                       value   sms     idle     idle            me, a recycled case     me
other                       value   wechat  fresh    idle            me, a recycled case     the other
other                       value   wechat  idle     idle            me, a recycled case     the other
me, said                    empty   sms     fresh    fresh           me                      me
me, said                    empty   wechat  idle     idle            me                      me
me, said                    value   sms     idle     idle            me                      me
me, said                    value   wechat  fresh    fresh           me                      me
other, said                 empty   sms     fresh    fresh           folded                  the other
other, said                 empty   sms     idle     fresh           me, a case              me
other, said                 empty   wechat  fresh    fresh           folded                  the other
other, said                 empty   wechat  idle     fresh           me, a case              me
other, said                 value   sms     fresh    fresh           me, a case              me
other, said                 value   sms     idle     fresh           me, a case              me
other, said                 value   wechat  fresh    fresh           me, a case              me
other, said                 value   wechat  idle     fresh           me, a case              me
other, said                 empty   sms     fresh    idle            folded                  the other
other, said                 empty   wechat  fresh    idle            me, a case              me
other, said                 value   sms     fresh    idle            me, a case              me
other, said                 value   wechat  fresh    idle            me, a case              me
other, said, proven otherwise  empty   sms     fresh    fresh           me                   me
other, said, proven otherwise  empty   sms     idle     fresh           me                   me
other, said, proven otherwise  empty   wechat  fresh    fresh           me                   me
other, said, proven otherwise  empty   wechat  idle     fresh           me                   me
other, said, proven otherwise  value   sms     fresh    idle            me                   me
other, said, proven otherwise  value   wechat  fresh    idle            me                   me
"""

PHONE_SIGNS_IN = """
the phone is of             that member owns  last proven     outcome                        it is then of
none                        -                 -               a new member                   a new member
other                       empty             fresh           the other                      the other
other                       value             fresh           the other                      the other
other                       empty             idle, but seen  the other                      the other
other                       value             idle, but seen  the other                      the other
other                       empty             idle            a new member, a recycled case  a new member
other                       value             idle            a new member, a recycled case  a new member
other, said                 empty             fresh           the other                      the other
other, said                 value             fresh           the other                      the other
other, said                 empty             idle            the other                      the other
other, said                 value             idle            the other                      the other
other, said, proven otherwise  empty             fresh           a new member                a new member
other, said, proven otherwise  value             fresh           a new member                a new member
other, said, proven otherwise  empty             idle            a new member                a new member
other, said, proven otherwise  value             idle            a new member                a new member
"""

WECHAT_SIGNS_IN = """
the openid is of  the unionid is of  I own   last proven  outcome        the unionid is then of
me                -                  empty   fresh        me             nobody
me                -                  value   idle         me             nobody
me                none               empty   fresh        me             me
me                none               value   idle         me             me
me                me                 empty   fresh        me             me
me                me                 empty   idle         me             me
me                me                 value   fresh        me             me
me                me                 value   idle         me             me
me                other              empty   fresh        folded         the other
me                other              empty   idle         folded         the other
me                other              value   fresh        me, a case     the other
me                other              value   idle         me, a case     the other
me                other, said        empty   fresh        me             me
me                other, said        value   idle         me             me
none              -                  -       -            a new member   nobody
none              none               -       -            a new member   a new member
none              other              -       fresh        the other      the other
none              other              -       idle         the other      the other
none              other, said        -       fresh        a new member   a new member
none              other, said        -       idle         a new member   a new member
"""

GRANT_SIGNS_IN = """
shown          it is of                         that member owns  last proven  outcome
external       none                             -                 -            a new member
external       other, said                      empty             fresh        the other
external       other, said                      empty             idle         the other
external       other, said                      value             fresh        the other
external       other, said                      value             idle         the other
wechat_openid  none                             -                 -            a new member
wechat_openid  other                            empty             fresh        the other
wechat_openid  other                            empty             idle         the other
wechat_openid  other                            value             fresh        the other
wechat_openid  other                            value             idle         the other
wechat_openid  other, said                      empty             fresh        the other
wechat_openid  other, said                      value             idle         the other
phone          other                            value             fresh        refused: invalid
phone          none                             -                 -            refused: invalid
wechat_unionid  other                           value             fresh        refused: invalid
wechat_unionid  none                            -                 -            refused: invalid
"""

RESOLVED = """
shown with my number  it is of                       that member owns  last proven  outcome
phone                 none                           -                 -            me
phone                 me                             value             fresh        me
phone                 me, said                       empty             idle         me
phone                 other                          empty             fresh        refused: identity_conflict
phone                 other                          value             idle         refused: identity_conflict
phone                 other, said                    empty             fresh        refused: identity_conflict
phone                 other, said                    value             idle         refused: identity_conflict
wechat_openid         none                           -                 -            me
wechat_openid         me                             empty             fresh        me
wechat_openid         other                          empty             fresh        refused: identity_conflict
wechat_openid         other                          value             idle         refused: identity_conflict
wechat_openid         other, said                    empty             fresh        refused: identity_conflict
wechat_unionid        none                           -                 -            me
wechat_unionid        me                             value             idle         me
wechat_unionid        other                          empty             fresh        refused: identity_conflict
wechat_unionid        other                          value             idle         refused: identity_conflict
wechat_unionid        other, said                    value             fresh        refused: identity_conflict
external              other, said                    empty             fresh        refused: identity_conflict
"""


def each(table):
    found = rows(table)
    header = [cell for cell in table.strip().splitlines()[0].split("  ") if cell.strip()]
    assert all(len(row) == len(header) for row in found)
    return pytest.mark.parametrize("row", found, ids=[" | ".join(row) for row in found])


@pytest.fixture
def world(doors, outside):
    return World(doors, outside)


@each(PHONE_LINKED)
def test_a_phone_proven_from_within_a_session(world, row):
    held_by, owns, proof, session, last, outcome, holder = row
    client = world.sign_me_in(owns, session)
    world.hold("phone", world.phone, held_by, last)

    answer = {"sms": world.doors.link_by_sms, "wechat": world.doors.link_by_wechat}[proof](client, world.phone)

    assert (world.outcome(answer), world.holder("phone", world.phone)) == (outcome, holder)
    is_shown = holder == "me" or outcome == "folded"  # what is another's makes no session of mine stronger
    assert answer.json()["assurance"] == (3 if proof == "sms" and is_shown else 2)
    assert Merge.objects.count() == (outcome == "folded")


@each(PHONE_SIGNS_IN)
def test_a_phone_that_signs_in(world, row):
    held_by, owns, last, outcome, holder = row
    world.hold("phone", world.phone, held_by, last)
    if world.other:
        world.worth(world.other, owns)

    answer = world.doors.sms(world.phone)

    assert (world.outcome(answer), world.holder("phone", world.phone)) == (outcome, holder)
    assert Merge.objects.count() == 0


@each(WECHAT_SIGNS_IN)
def test_wechat_signs_in(world, row):
    openid_of, unionid_of, owns, last, outcome, holder = row
    if openid_of == "me":
        world.sign_me_in(owns, last)
    world.hold("wechat_unionid", "unionid-shown", unionid_of.replace("-", "none"), last)

    answer = world.doors.mini_program("openid-of-me", None if unionid_of == "-" else "unionid-shown")

    assert (world.outcome(answer), world.holder("wechat_unionid", "unionid-shown")) == (outcome, holder)
    assert answer.json()["assurance"] == 2
    assert world.holder("wechat_openid", "openid-of-me") == outcome.partition(",")[0].replace("folded", "the other")


@each(GRANT_SIGNS_IN)
def test_a_grant_signs_in(world, agreed, row):
    kind, held_by, owns, last, outcome = row
    value = world.phone if kind == "phone" else "shown-by-the-channel"
    world.hold(kind, value, held_by, last)
    if world.other:
        world.worth(world.other, owns)
    backend, named = make.backend_client("mini-program"), {"kind": kind, "value": value}
    if kind == "wechat_openid":
        named["app_id"] = "wx-mini-program"

    given = backend.post("sign-in-grants", {"identity": named, "consents": agreed})
    redeem = make.client("mini-program").post
    answer = redeem("auth/grant", {"grant": given.json()["grant"]}) if given.status_code == 201 else given

    assert world.outcome(answer) == outcome
    assert answer.json().get("assurance", 1) == 1
    assert Merge.objects.count() == 0


@each(RESOLVED)
def test_a_channel_says_who_it_is(world, row):
    kind, held_by, owns, last, outcome = row
    backend = make.backend_client("mini-program")
    number = {"kind": "external", "value": "C-1"}
    world.me = Member.objects.get(pk=backend.post("members/resolve", {"identities": [number]}).json()["member"]["id"])
    value = world.phone if kind == "phone" else "said-by-the-channel"
    world.hold(kind, value, held_by, last)
    world.worth(world.other or world.me, owns)

    named = {"kind": kind, "value": value} | ({"app_id": "wx-mini-program"} if kind == "wechat_openid" else {})
    answer = backend.post("members/resolve", {"identities": [number, named]})

    if outcome == "me":
        assert answer.json()["member"]["id"] == str(world.me.id), answer.json()
    else:
        assert f"refused: {answer.json()['code']}" == outcome
    assert Merge.objects.count() == 0
    assert Member.objects.filter(status="active").count() == (2 if world.other else 1)
