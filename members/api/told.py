"""What events tell of members, as the contract documents it: what changed, never to what."""

from rest_framework import serializers

from members.models import Identity

whole, text, key = serializers.IntegerField, serializers.CharField, serializers.UUIDField


class MemberChangeOut(serializers.Serializer):
    """Which fields of a member changed."""

    id = key()
    version = whole(min_value=1)
    changed = serializers.ListField(child=text())


class ToldIdentityOut(serializers.Serializer):
    """An identity, without its value."""

    id = key()
    kind = serializers.ChoiceField(Identity.Kind.values)
    channel = text(allow_null=True)


class IdentityChangeOut(serializers.Serializer):
    """An identity that came or went."""

    id = key()
    version = whole(min_value=1)
    identity = ToldIdentityOut()


class ConsentChangeOut(serializers.Serializer):
    """Consent given or taken back; `version` is the policy's."""

    id = key()
    purpose = text()
    version = text()


class MergeChangeOut(serializers.Serializer):
    """Two members that are one, or two again."""

    from_id = key()
    into_id = key()


class FreezeChangeOut(serializers.Serializer):
    """What a member may not do, or may again."""

    id = key()
    scopes = serializers.ListField(child=text())
