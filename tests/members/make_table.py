"""The worlds that the rows of the linking table are run in, and the words for what became of them."""

from datetime import timedelta

from django.utils import timezone

from members.models import Identity, LinkCase, Member, Session
from tests import make
from tests.members import make_proofs
from tests.orders import make_orders

IDLE = timedelta(days=91)


def rows(table: str) -> list[tuple[str, ...]]:
    """The rows of a table as it is read; two spaces or more part its columns."""
    lines = [line for line in table.strip().splitlines()[1:] if line.strip()]
    return [tuple(cell.strip() for cell in line.split("  ") if cell.strip()) for line in lines]


class World:
    """Two people and what is known of them. `me` is whoever acts."""

    def __init__(self, doors, outside):
        self.doors, self.outside = doors, outside
        self.phone, self.me, self.other = make.mobile(), None, None

    def sign_me_in(self, holds: str, since: str) -> make.Caller:
        """A member of the mini-program, worth something or not, signed in just now or an hour ago."""
        client = make_proofs.client_of(self.doors.mini_program("openid-of-me"))
        self.me = Member.objects.get()
        self.worth(self.me, holds)
        if since == "idle":
            Session.objects.update(created_at=timezone.now() - timedelta(hours=1))
        return client

    def worth(self, member: Member, holds: str) -> None:
        if holds == "value":
            make_orders.order(member=member, placed_at=timezone.now() - IDLE - timedelta(days=9))

    def hold(self, kind: str, value: str, by: str, last: str = "fresh") -> None:
        """Somebody holds an identity: `by` says who, and on whose word; `last` when it was last proven or said."""
        if by == "none":
            return
        who, *word = by.split(", ")
        member = self.me if who == "me" else self.somebody()
        if "proven otherwise" in word:
            make.identity(member, "wechat_unionid", "unionid-of-other")
        proof = "asserted" if "said" in word else "verified"
        if kind == "phone" and proof == "verified":
            self.give_phone(member, value)
        row = make.identity(member, kind, value, proof=proof, channel=make.channel("mini-program"))
        if last != "fresh":
            Identity.objects.filter(pk=row.pk).update(last_seen_at=timezone.now() - IDLE)
        if last == "idle, but seen":
            make.session(member)

    def somebody(self) -> Member:
        self.other = self.other or make.member(channel="website", nickname="别人")
        return self.other

    def give_phone(self, member: Member, phone: str) -> None:
        member.phone, member.phone_mask, member.phone_last4 = phone, f"{phone[3:6]}****{phone[-4:]}", phone[-4:]
        member.save()

    def outcome(self, answer) -> str:
        """What became of it, in the words of the table."""
        body = answer.json()
        if answer.status_code >= 400:
            return f"refused: {body['code']}"
        said = [self.name(body), self.case(body)]
        return ", ".join(filter(None, said))

    def name(self, body: dict) -> str:
        """Who the person is now."""
        member = body["member"]["id"]
        if body["absorbed_member_id"]:
            assert (body["absorbed_member_id"], member) == (str(self.me.id), str(self.other.id))
            assert body["linked"]
            return "folded"
        if body["created"]:
            assert member not in {str(each.id) for each in (self.me, self.other) if each}
            return "a new member"
        return "me" if self.me and member == str(self.me.id) else "the other"

    def case(self, body: dict) -> str:
        """Which case is open; there is none that the answer is silent about."""
        assert LinkCase.objects.count() == bool(body["link_case"])
        return (
            {"merge": "a case", "recycled_phone": "a recycled case"}[body["link_case"]["kind"]]
            if body["link_case"]
            else ""
        )

    def holder(self, kind: str, value: str) -> str:
        """Who holds it verified afterwards."""
        found = [row for row in Identity.objects.filter(kind=kind, proof="verified") if row.value == value]
        assert len(found) <= 1
        if not found:
            return "nobody"
        names = {self.me and self.me.id: "me", self.other and self.other.id: "the other"}
        return names.get(found[0].member_id, "a new member")
