"""Structured logs: one JSON object a line, the same fields from every process."""

import logging.config
import os
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]
LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}
FIRST = ("time", "level", "service", "logger", "message", "request_id")
DETAIL = re.compile(r"(?m)^DETAIL: .*\n?")
SECRETS = re.compile(r"(?i)\b(bearer\s+|mh_|eyJ)[\w.~+/=-]{8,}")


class Role:
    """What this process is in every log line; a command that plays a role says so (`collector`)."""

    name = os.environ.get("SERVICE") or "command"


class Unhandled(logging.Filter):
    """Keeps Django's lines about exceptions alone, and without the path: it names people."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "unhandled error", ()
        return bool(record.exc_info)


def add_service(_logger: Any, _name: str, event: Event) -> Event:
    event["service"] = Role.name
    event.setdefault("request_id", None)
    return event


def hide_secrets(_logger: Any, _name: str, event: Event) -> Event:
    """A last wall: no token, no query string, and no row that a database error quotes."""
    event.pop("request", None)
    if "exception" in event:
        event["exception"] = DETAIL.sub("", event["exception"])
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = SECRETS.sub("[hidden]", value)
    return event


def order(_logger: Any, _name: str, event: Event) -> Event:
    event["message"] = event.pop("event", "")
    first = {key: event[key] for key in FIRST if key in event}
    return {**first, **{key: value for key, value in event.items() if key not in first}}


def plain(_logger: Any, _name: str, event: Event) -> str:
    rest = " ".join(f"{key}={value}" for key, value in event.items() if key not in FIRST)
    return f"{event.get('time')} {event.get('level')} {event.get('message')} {rest}".rstrip()


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    add_service,
]


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """Return the `LOGGING` dictionary for a level (debug, info, warn, error) and json or text."""
    final: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        hide_secrets,
        order,
        structlog.processors.JSONRenderer() if style == "json" else plain,
    ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": final,
            }
        },
        "filters": {"unhandled": {"()": Unhandled}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": LEVELS[level]},
        "loggers": {
            # The access line of our own middleware says it with a request id.
            "django.server": {"handlers": [], "propagate": False},
            "django.request": {"level": "ERROR", "filters": ["unhandled"]},
            # Its lines name the user.
            "axes": {"level": "ERROR"},
            "urllib3": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Set up the standard library's logging and structlog alike (Django's `LOGGING_CONFIG`)."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            *SHARED[:3],
            *SHARED[4:],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
