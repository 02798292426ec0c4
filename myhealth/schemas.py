"""OpenAPI schemas that the routes of several apps share."""

from typing import Any

from metrics import TYPES

Schema = dict[str, Any]
_REF = "#/components/schemas/"
_named: dict[str, Schema] = {}


def component(name: str, schema: Schema) -> Schema:
    """Give a schema a name in the OpenAPI documents; return the reference to it.

    Clients that are generated from a document have a class of this name.
    """
    if _named.setdefault(name, schema) != schema:
        raise ValueError(f"Another schema is named {name}.")
    return {"$ref": _REF + name}


def add_components(result: Schema, **kwargs: Any) -> Schema:
    """Add to an OpenAPI document the named schemas that it refers to (a drf-spectacular hook)."""
    added = result.setdefault("components", {}).setdefault("schemas", {})
    while missing := _names_in(result) - added.keys():
        added.update({name: _named[name] for name in missing})
    result["components"]["schemas"] = dict(sorted(added.items()))
    return result


def _names_in(schema: Any) -> set[str]:
    """Return the names that a schema refers to."""
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        found = {ref.removeprefix(_REF)} if isinstance(ref, str) else set()
        return found.union(*map(_names_in, schema.values()))
    return set().union(*map(_names_in, schema)) if isinstance(schema, list) else set()


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
TYPE_NAME = component("TypeName", {"type": "string", "enum": list(TYPES)})
_ERROR = component("Error", ERROR)


def errors(*statuses: int) -> dict[Any, Schema]:
    """Return the error responses of a route, for `extend_schema(responses=…)`."""
    return {(status, "application/json"): _ERROR for status in statuses}
