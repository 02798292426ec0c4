"""The WSGI application, and the requests that it makes."""

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

# In characters. A boundary of a form has up to 70.
_LONGEST = 256


class Request(WSGIRequest):
    """A request whose Content-Type may be anything; Django fails on some, before any middleware.

    All our forms, queries and documents are UTF-8: with another charset, no form is read.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = "", {}
        # To parse it takes the square of its length.
        if len(meta.get("CONTENT_TYPE", "")) > _LONGEST:
            meta["CONTENT_TYPE"] = ""
            return
        try:
            content_type, params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            meta["CONTENT_TYPE"] = ""
            return
        if params.get("charset", "utf-8").lower() in ("utf-8", "utf8"):
            self.content_type, self.content_params = content_type, params


class Handler(WSGIHandler):
    request_class = Request
