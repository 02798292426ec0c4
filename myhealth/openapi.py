"""The route of the OpenAPI document."""

import functools
import threading
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

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
