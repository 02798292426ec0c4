"""OpenAPI schemas that the routes of several apps share."""

from typing import Any

Schema = dict[str, Any]
DATE: Schema = {"type": "string", "format": "date"}
MESSAGES: Schema = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
ERROR: Schema = {
    "type": "object",
    "required": ["detail", "code", "errors"],
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}, "errors": MESSAGES},
}
COUNT: Schema = {"type": "integer", "minimum": 0}


def errors(*statuses: int) -> dict[Any, Schema]:
    """Return the error responses of a route, for `extend_schema(responses=…)`."""
    return {(status, "application/json"): ERROR for status in statuses}
