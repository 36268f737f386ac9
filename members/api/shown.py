"""What goes out about members, as the contract documents it."""

from rest_framework import serializers

from members.models import Identity, LinkCase, Member
from sync.http.described import PageOut, ProblemOut

whole, text, time = serializers.IntegerField, serializers.CharField, serializers.DateTimeField


class PolicyOut(serializers.Serializer):
    """One policy in force."""

    purpose = text()
    version = text()
    title = text()
    text_url = text()


class OfferedPolicyOut(PolicyOut):
    """One policy in force, and whether registering needs it."""

    required = serializers.BooleanField()


class PoliciesOut(serializers.Serializer):
    """All policies in force."""

    results = OfferedPolicyOut(many=True)


class SentOut(serializers.Serializer):
    """A code is on its way; times in seconds."""

    challenge_id = serializers.UUIDField()
    expires_in = whole()
    resend_in = whole()


class BegunOut(serializers.Serializer):
    """A website sign-in under way; `verifier` stays with the page."""

    authorize_url = serializers.URLField()
    state = text()
    verifier = text()
    expires_in = whole()


class TokensOut(serializers.Serializer):
    """A pair of bearer tokens; times in seconds."""

    access_token = text()
    token_type = serializers.ChoiceField(["Bearer"])
    expires_in = whole()
    refresh_token = text()
    refresh_expires_in = whole()


class IdentityOut(serializers.Serializer):
    """One way in, its value masked."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Identity.Kind.values)
    channel = text(allow_null=True)
    masked = text()
    proof = serializers.ChoiceField(Identity.Proof.values)
    verified_at = time(allow_null=True)


class MeOut(serializers.Serializer):
    """The member to themselves."""

    id = serializers.UUIDField()
    number = text()
    nickname = text()
    avatar_url = text()
    gender = serializers.ChoiceField(Member.Gender.values)
    birthday = serializers.DateField(allow_null=True)
    email = text(allow_null=True)
    phone = text(allow_null=True)
    identities = IdentityOut(many=True)
    consents_required = PolicyOut(many=True)
    status = serializers.ChoiceField(Member.Status.values)
    version = whole()
    created_at = time()
    updated_at = time()


class NeededOut(serializers.Serializer):
    """A proof that a case still takes."""

    kind = text()
    hint = text()


class LinkCaseOut(serializers.Serializer):
    """Two members that may be one person."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(LinkCase.Kind.values)
    proofs_needed = NeededOut(many=True)


class SessionOut(serializers.Serializer):
    """A member signed in, with tokens."""

    tokens = TokensOut()
    member = MeOut()
    head = whole()
    created = serializers.BooleanField()
    linked = serializers.BooleanField()
    absorbed_member_id = serializers.UUIDField(allow_null=True)
    link_case = LinkCaseOut(allow_null=True)
    assurance = serializers.ChoiceField([1, 2, 3])


class MemberCodeOut(serializers.Serializer):
    """Digits to show at a till, once; `expires_in` in seconds."""

    code = serializers.RegexField(r"^9[0-9]{17}$")
    expires_in = whole(min_value=1)


class GrantOut(serializers.Serializer):
    """A sign-in carried over; `expires_in` in seconds."""

    grant = text()
    expires_in = whole()


class SteppedUpOut(serializers.Serializer):
    """Until when what is grave is open."""

    assurance = serializers.ChoiceField([3])
    until = time()


class SignedInOut(serializers.Serializer):
    """One place where the member is signed in."""

    id = serializers.UUIDField()
    channel = text()
    device = text()
    assurance = whole()
    is_current = serializers.BooleanField()
    created_at = time()
    last_seen_at = time()


class SignedInsOut(PageOut):
    """One page of them."""

    results = SignedInOut(many=True)


class NamedOut(serializers.Serializer):
    """A member by id alone."""

    id = serializers.UUIDField()


class ResolvedOut(serializers.Serializer):
    """The member a channel speaks of."""

    member = NamedOut()
    created = serializers.BooleanField()


class SeenMemberOut(MeOut):
    """The member to a channel; `merged_into` when another was asked for.

    A field that the channel's row keeps from it is left out.
    """

    nickname = text(required=False)
    avatar_url = text(required=False)
    gender = serializers.ChoiceField(Member.Gender.values, required=False)
    birthday = serializers.DateField(allow_null=True, required=False)
    email = text(allow_null=True, required=False)
    phone = text(allow_null=True, required=False)
    identities = IdentityOut(many=True, required=False)
    merged_into = serializers.UUIDField(allow_null=True)


class WrittenMemberOut(SeenMemberOut):
    """The same after a change; of the fields in `superseded` a newer word stands."""

    superseded = serializers.ListField(child=text())


class ConsentRequiredOut(ProblemOut):
    """What a new member has to agree to, and the token to do it with within ten minutes."""

    code = serializers.ChoiceField(["consent_required"])
    required = PolicyOut(many=True)
    registration_token = text()


class VersionConflictOut(ProblemOut):
    """The member as it is now."""

    code = serializers.ChoiceField(["version_conflict"])
    current = MeOut()


class SeenVersionConflictOut(VersionConflictOut):
    """The same to a channel."""

    current = SeenMemberOut()
