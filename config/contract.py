"""The contract, served: as OpenAPI for machines, as a page for people."""

from functools import cache

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from sync.http import Json


@cache
def document() -> dict:
    """The contract as OpenAPI 3.1; the same for everybody, drawn once per process."""
    return SchemaGenerator().get_schema(request=None, public=True)


class Document(APIView):
    """GET the contract."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [Json, OpenApiJsonRenderer]

    @extend_schema(exclude=True)
    def get(self, request):
        return Response(document())


class Docs(SpectacularSwaggerSplitView):
    """The contract to read: nothing inline, nothing from elsewhere."""

    template_name = "contract/docs.html"
    url_name = "schema"
