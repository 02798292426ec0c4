"""What a query asks for. Every mistake becomes an Invalid that names the parameter."""

from datetime import date

from rest_framework.request import Request

from myhealth.days import Days, parse_day, shift
from myhealth.errors import Invalid

DAYS = 30
FORMAT = "format"


def known(request: Request, *names: str) -> dict[str, str]:
    """The query's parameters. Raises Invalid for unknown and repeated ones."""
    errors = {}
    for name, values in request.query_params.lists():
        if name not in (*names, FORMAT):
            errors[name[:64]] = [f"It is not known here; expected {', '.join((*names, FORMAT))}."]
        elif len(values) > 1:
            errors[name] = [f"It is given {len(values)} times; expected once."]
    if errors:
        raise Invalid(errors)
    return {name: str(value) for name, value in request.query_params.items()}


def span(given: dict[str, str], today: date) -> Days:
    """`start` and `end`: without an end up to today, without a start 30 days in all."""
    days = days_of(given, "start", "end")
    end = days.get("end") or today
    return ordered(days.get("start") or shift(end, 1 - DAYS), end)


def any_span(given: dict[str, str]) -> Days:
    """`start` and `end`: what is left out has no bound."""
    days = days_of(given, "start", "end")
    return ordered(days.get("start") or date.min, days.get("end") or date.max)


def ordered(start: date, end: date) -> Days:
    if start > end:
        raise Invalid({"start": [f"{start} is after the end, {end}; expected a day up to it."]})
    return Days(start, end)


def days_of(given: dict[str, str], *names: str) -> dict[str, date | None]:
    errors: dict[str, list[str]] = {}
    days = {name: day(name, given[name], errors) for name in names if name in given}
    if errors:
        raise Invalid(errors)
    return days


def one_day(name: str, text: str) -> date:
    errors: dict[str, list[str]] = {}
    found = day(name, text, errors)
    if found is None:
        raise Invalid(errors)
    return found


def day(name: str, text: str, errors: dict[str, list[str]]) -> date | None:
    found = parse_day(text)
    if found is None:
        errors[name] = [f"'{shown(text)}' is not a date; expected YYYY-MM-DD."]
    return found


def fields(given: dict[str, str], known_fields: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that are asked for, in that order; all of them without the parameter."""
    if "fields" not in given:
        return known_fields
    names = tuple(dict.fromkeys(name.strip() for name in given["fields"].split(",")))
    unknown = [shown(name) for name in names if name not in known_fields]
    if unknown:
        raise Invalid(
            {
                "fields": [
                    f"{', '.join(repr(name) for name in unknown)} is not known here; "
                    f"expected some of {', '.join(known_fields)}."
                ]
            }
        )
    return names


def whole(given: dict[str, str], name: str, default: int, highest: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= highest:
        return int(text)
    raise Invalid({name: [f"'{shown(text)}' is not valid; expected 1 to {highest}."]})


def shown(text: str) -> str:
    return (text if len(text) <= 40 else f"{text[:39]}…").replace("\x00", "\\0")
