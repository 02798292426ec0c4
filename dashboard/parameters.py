"""Parse the parameters of a query. Every mistake raises Invalid, which names the parameter."""

from datetime import date
from itertools import islice, takewhile
from urllib.parse import parse_qsl

from rest_framework.request import Request

from dashboard.periods import MONTH, WEEK, periods_until
from dashboard.trends import all_measures
from myhealth.days import Days, parse_day, shift
from myhealth.errors import Invalid
from myhealth.validation import date_range, unknown_name_errors

_DEFAULT_DAYS = 30
_FORMAT = "format"
_MOST_PARAMETERS = 100
_MOST_MEASURES = 20
_DEFAULT_PERIODS = 12
# Of ten years by week, and of twenty by month.
_MOST_PERIODS = {WEEK: 530, MONTH: 240}


def parse_params(request: Request, *names: str) -> dict[str, str]:
    """Return the query's parameters. Unknown and repeated ones are errors."""
    allowed = (*names, _FORMAT)
    # Not `request.query_params`: making a QueryDict would take several times as long.
    query = request.META.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        message = f"The query has too many parameters; expected at most {_MOST_PARAMETERS}."
        raise Invalid({"query": [message]}) from None
    params = dict(pairs)
    errors = unknown_name_errors(params, allowed, "parameter")
    for name in allowed:
        count = sum(each == name for each, _ in pairs)
        if count > 1:
            errors[name] = [f"It was given {count} times; expected once."]
    if errors:
        raise Invalid(errors)
    return params


def date_range_params(params: dict[str, str], today: date) -> Days:
    """Return the days from `start` to `end`; by default the 30 days up to `end`, or up to today."""
    days = _day_params(params, "start", "end")
    end = days.get("end", today)
    return date_range(days.get("start", shift(end, 1 - _DEFAULT_DAYS)), end)


def periods_params(params: dict[str, str], today: date, by: str, first_weekday: int) -> list[Days]:
    """Return the weeks or months that have a day from `start` to `end`, newest first.

    By default they are the last ones up to `end`, or up to today.
    """
    days = _day_params(params, "start", "end")
    end = days.get("end", today)
    periods = periods_until(end, by, first_weekday)
    if "start" not in days:
        return list(islice(periods, _DEFAULT_PERIODS))
    start = date_range(days["start"], end).start
    most = _MOST_PERIODS[by]
    found = list(islice(takewhile(lambda each: each.end >= start, periods), most + 1))
    if len(found) > most:
        message = f"It is too long before the end ({end}); expected at most {most} {by}s."
        raise Invalid({"start": [message]})
    return found


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


def end_param(params: dict[str, str], today: date) -> date:
    """Return the last day; by default today."""
    return _day_params(params, "end").get("end", today)


def choice_param(params: dict[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    chosen = params.get(name, default)
    if chosen not in choices:
        message = f"'{_shorten(chosen)}' is not valid; expected one of {', '.join(choices)}."
        raise Invalid({name: [message]})
    return chosen


def measures_param(params: dict[str, str]) -> list[str]:
    """Return the names of measures; by default those of all scores."""
    if "measures" not in params:
        return [name for name in all_measures() if name.endswith(".score")]
    names = list(dict.fromkeys(name.strip() for name in params["measures"].split(",")))
    if unknown := [name for name in names if name not in all_measures()]:
        known = ", ".join(all_measures())
        message = f"Unknown measure {_shorten(unknown[0])!r}; expected one or more of {known}."
        raise Invalid({"measures": [message]})
    if len(names) > _MOST_MEASURES:
        raise Invalid({"measures": [f"Too many: {len(names)}; expected at most {_MOST_MEASURES}."]})
    return names


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
