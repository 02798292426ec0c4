"""Parse the parameters of a query. Every mistake raises Invalid, which names the parameter."""

from datetime import date
from urllib.parse import parse_qsl

from rest_framework.request import Request

from myhealth.days import Days, parse_day, shift
from myhealth.errors import Invalid
from myhealth.validation import date_range, unknown_name_errors

_DEFAULT_DAYS = 30
_FORMAT = "format"
_MOST_PARAMETERS = 100


def parse_params(request: Request, *names: str) -> dict[str, str]:
    """Return the query's parameters. Unknown and repeated ones are errors."""
    allowed = (*names, _FORMAT)
    # Not `request.query_params`: making a QueryDict would take several times as long.
    query = request.META.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        message = f"It has too many parameters; expected at most {_MOST_PARAMETERS}."
        raise Invalid({"query": [message]}) from None
    params = dict(pairs)
    errors = unknown_name_errors(params, allowed, "parameter")
    for name in allowed:
        count = sum(each == name for each, _ in pairs)
        if count > 1:
            errors[name] = [f"Given {count} times; expected once."]
    if errors:
        raise Invalid(errors)
    return params


def date_range_params(params: dict[str, str], today: date) -> Days:
    """Return the days from `start` to `end`; by default the 30 days up to `end`, or up to today."""
    days = _day_params(params, "start", "end")
    end = days.get("end", today)
    return date_range(days.get("start", shift(end, 1 - _DEFAULT_DAYS)), end)


def open_date_range_params(params: dict[str, str]) -> Days:
    """Return the days from `start` to `end`; one that is left out is no bound."""
    days = _day_params(params, "start", "end")
    return date_range(days.get("start", date.min), days.get("end", date.max))


def day_param(name: str, text: str) -> date:
    return _day_params({name: text}, name)[name]


def _day_params(params: dict[str, str], *names: str) -> dict[str, date]:
    """Return the named parameters that are given, as dates."""
    days: dict[str, date] = {}
    errors: dict[str, list[str]] = {}
    for name in names:
        if name not in params:
            continue
        if day := parse_day(params[name]):
            days[name] = day
        else:
            errors[name] = [f"'{_shorten(params[name])}' is not a date; expected YYYY-MM-DD."]
    if errors:
        raise Invalid(errors)
    return days


def fields_param(params: dict[str, str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that `fields` names, in that order; by default all."""
    if "fields" not in params:
        return allowed
    names = tuple(dict.fromkeys(name.strip() for name in params["fields"].split(",")))
    unknown = ", ".join(repr(_shorten(name)) for name in names if name not in allowed)
    if unknown:
        message = f"Unknown column {unknown}; expected one or more of {', '.join(allowed)}."
        raise Invalid({"fields": [message]})
    return names


def int_param(params: dict[str, str], name: str, default: int, highest: int) -> int:
    """Return a whole number from 1 to `highest`."""
    text = params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= highest:
        return int(text)
    raise Invalid({name: [f"'{_shorten(text)}' is not valid; expected 1 to {highest}."]})


def _shorten(text: str) -> str:
    return (text if len(text) <= 40 else f"{text[:39]}…").replace("\x00", "\\0")
