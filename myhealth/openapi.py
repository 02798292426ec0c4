"""The routes that describe the others: the OpenAPI document, and a list of them."""

import functools
import threading
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.schemas.generators import EndpointEnumerator
from rest_framework.views import APIView

from myhealth.renderers import Negotiation, OrjsonRenderer
from myhealth.schemas import component, errors

_ROOT = "/api/v1/"
ROUTES = component("Routes", {"type": "object", "additionalProperties": {"type": "string"}})

_rendering = threading.Lock()


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, made once in a process: that takes as long as many other answers.

    It is the same for everybody, and depends on nothing but the format.
    """

    authentication_classes = []

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        with _rendering:
            content = _render(type(renderer), settings.ROOT_URLCONF)  # type: ignore[arg-type]
        name = self._get_filename(request, None)  # type: ignore[no-untyped-call]
        return HttpResponse(
            content,
            content_type=renderer.media_type
            + (f"; charset={renderer.charset}" if renderer.charset else ""),
            headers={"Content-Disposition": f'inline; filename="{name}"'},
        )


@functools.cache
def _render(renderer: type[BaseRenderer], urlconf: str) -> Any:
    """Return the document in a format. In tests, the routes are not always the same."""
    schema = SchemaGenerator(urlconf=urlconf).get_schema(public=True)  # type: ignore[no-untyped-call]
    content = renderer().render(schema)
    # Without its indents it is a third as long.
    return orjson.dumps(orjson.loads(content)) if renderer.format == "json" else content


class RoutesView(APIView):
    """The routes of version 1, each with its address."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [OrjsonRenderer]
    content_negotiation_class = Negotiation

    @extend_schema(
        operation_id="routes",
        summary="List the routes",
        tags=["Overview"],
        responses={(200, "application/json"): ROUTES, **errors(406)},
    )
    def get(self, request: Request) -> Response:
        """List the routes with their addresses; parameters are in braces."""
        root = request.build_absolute_uri(_ROOT)
        return Response({name: root + name for name in _names(settings.ROOT_URLCONF)})


@functools.cache
def _names(urlconf: str) -> list[str]:
    """Return the paths of the routes after the root, in the order of the URLconf."""
    endpoints = EndpointEnumerator(urlconf=urlconf).get_api_endpoints()
    names = (path.removeprefix(_ROOT) for path, *_ in endpoints if path.startswith(_ROOT))
    return list(filter(None, dict.fromkeys(names)))
