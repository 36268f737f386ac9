"""A member's address book."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from members import addresses
from members.models import Address
from sync.http import Input, Keyset, Phone, Text, etag, require_match
from sync.http.described import ETAG, IF_MATCH, PAGED, PageOut, ProblemOut, refusal
from sync.views import MemberView


class Flag(serializers.BooleanField):
    """JSON true or false, nothing that merely looks like them."""

    def to_internal_value(self, data):
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:40])
        return data


class OwnAddressIn(Input):
    """Where, and to whom; the phone as people write it."""

    receiver = Text(max_length=60)
    phone = Phone(max_length=40)
    province = Text(max_length=40)
    city = Text(max_length=40)
    district = Text(max_length=40, required=False, allow_null=True, allow_blank=True)
    street = Text(max_length=200)
    postcode = Text(max_length=10, required=False, allow_null=True, allow_blank=True)
    is_default = Flag(required=False)

    def validate(self, attrs):
        """Empty is none."""
        return attrs | {name: attrs[name] or None for name in ("district", "postcode") if name in attrs}


class OwnAddressChangeIn(OwnAddressIn):
    """What is to be different; what is not named stays, the phone as well, which is only shown masked."""

    @classmethod
    def of(cls, data, **kwargs) -> dict:
        return super().of(data, partial=True, **kwargs)

    def get_fields(self):
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class AddressOut(serializers.Serializer):
    """One address, the phone masked."""

    id = serializers.UUIDField()
    receiver = serializers.CharField()
    phone = serializers.CharField()
    province = serializers.CharField()
    city = serializers.CharField()
    district = serializers.CharField(allow_null=True)
    street = serializers.CharField()
    postcode = serializers.CharField(allow_null=True)
    is_default = serializers.BooleanField()
    version = serializers.IntegerField()


class AddressesOut(PageOut):
    """One page of them, newest first."""

    results = AddressOut(many=True)


class AddressConflictOut(ProblemOut):
    """The address as it is now."""

    code = serializers.ChoiceField(["version_conflict"])
    current = AddressOut()


class Addresses(MemberView):
    """GET one's address book, newest first. POST another; the first is the default."""

    order = Keyset(("id",))

    @extend_schema(parameters=PAGED, responses=AddressesOut)
    def get(self, request):
        page = self.order.page(request, Address.objects.filter(member=request.auth.member))
        return Response(page.body([addresses.as_address(row) for row in page.rows]))

    @extend_schema(request=OwnAddressIn, parameters=[ETAG], responses={201: AddressOut})
    def post(self, request):
        fields = OwnAddressIn.read(request)
        return shown(addresses.add(member_id=request.auth.member, fields=fields, by=request.user), status=201)


class OneAddress(MemberView):
    """GET, PATCH or DELETE an address of one's own; with If-Match only as it was read."""

    @extend_schema(parameters=[ETAG], responses=AddressOut)
    def get(self, request, address_id):
        return shown(addresses.find(request.auth.member, address_id))

    @extend_schema(
        request=OwnAddressChangeIn,
        parameters=[IF_MATCH, ETAG],
        responses={200: AddressOut, **refusal(AddressConflictOut)},
    )
    def patch(self, request, address_id):
        fields, unless = OwnAddressChangeIn.read(request), self.unless_changed(request)
        named = {"member_id": request.auth.member, "address_id": address_id}
        return shown(addresses.change(**named, fields=fields, unless=unless, by=request.user))

    @extend_schema(parameters=[IF_MATCH], responses={204: None, **refusal(AddressConflictOut)})
    def delete(self, request, address_id):
        named = {"member_id": request.auth.member, "address_id": address_id}
        addresses.delete(**named, unless=self.unless_changed(request), by=request.user)
        return Response(status=204)

    @staticmethod
    def unless_changed(request):
        """Refuses with 412 when the address is not as it was read, where the client says what it read."""
        return lambda address: require_match(request, addresses.as_address(address), required=False)


def shown(address: Address, status: int = 200) -> Response:
    """The address with the tag of exactly this representation."""
    body = addresses.as_address(address)
    return Response(body, status=status, headers={"ETag": etag(body), "Cache-Control": "private, no-cache"})
