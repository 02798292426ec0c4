"""Structured logs: one JSON object per line, with the same fields in all processes."""

import json
import logging.config
import os
import re
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

_Event = MutableMapping[str, Any]
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}
_FIRST_FIELDS = ("time", "level", "service", "logger", "message", "request_id")
_DATABASE_DETAIL = re.compile(r"(?m)^DETAIL: .*\n?")
_SECRETS = re.compile(r"(?i)\b(bearer\s+|mh_|eyJ)[\w.~+/=-]{8,}")


class Role:
    """The name of this process in log lines; a command may set it, as the collector does."""

    name = os.environ.get("SERVICE") or "command"


class DjangoFilter(logging.Filter):
    """Take out of Django's lines what they quote: hosts, paths and parameters of strangers.

    Of the lines about requests, only those about exceptions are kept: our middleware logs them all.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        # What is left of a line is its format string, which is Django's own.
        record.args = ()
        if record.name.startswith("django.request"):
            record.msg = "unhandled error"
            return bool(record.exc_info)
        if record.name.startswith("django.security"):
            # Its text is that of an exception, such as DisallowedHost, which names the logger.
            record.msg, record.exc_info = "request refused", None
            record.error = record.name.rpartition(".")[2]
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            return logging.getLogger().isEnabledFor(record.levelno)
        return True


def _add_service(_logger: Any, _name: str, event: _Event) -> _Event:
    event["service"] = Role.name
    event.setdefault("request_id", None)
    return event


def _hide_secrets(_logger: Any, _name: str, event: _Event) -> _Event:
    """Remove tokens, query strings and the rows that database errors quote, as a last resort."""
    event.pop("request", None)
    if "exception" in event:
        event["exception"] = _DATABASE_DETAIL.sub("", event["exception"])
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _SECRETS.sub("[hidden]", value)
    return event


def _order_fields(_logger: Any, _name: str, event: _Event) -> _Event:
    event["message"] = event.pop("event", "")
    first = {key: event[key] for key in _FIRST_FIELDS if key in event}
    return {**first, **{key: value for key, value in event.items() if key not in first}}


def _render_json(_logger: Any, _name: str, event: _Event) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Too large a number, or half a character.
        return json.dumps(event, default=repr)


def _render_text(_logger: Any, _name: str, event: _Event) -> str:
    rest = " ".join(f"{key}={value}" for key, value in event.items() if key not in _FIRST_FIELDS)
    return f"{event.get('time')} {event.get('level')} {event.get('message')} {rest}".rstrip()


class Formatter(structlog.stdlib.ProcessorFormatter):
    """structlog's formatter, without its processors for events that are complete already."""

    def __init__(self, *, style: str, **options: Any) -> None:
        self._render = _render_json if style == "json" else _render_text
        super().__init__(processors=[*_FINAL_PROCESSORS, self._render], **options)

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, _CompleteRecord):
            return self._render(None, "", record.event)
        return super().format(record)


class _CompleteRecord(logging.LogRecord):
    def __init__(self, logger: str, level: int, message: str, **fields: Any) -> None:
        super().__init__(logger, level, "", 0, message, (), None)
        self.event: _Event = {
            "time": f"{datetime.fromtimestamp(self.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": self.levelname.lower(),
            "service": Role.name,
            "logger": logger,
            "message": message,
            **fields,
        }


def log_request(logger: logging.Logger, level: int, request_id: str, **fields: Any) -> None:
    """Log an answered request. structlog would take longer than some of the answers."""
    if logger.isEnabledFor(level):
        request_id = _SECRETS.sub("[hidden]", request_id)
        record = _CompleteRecord(logger.name, level, "request", request_id=request_id, **fields)
        logger.handle(record)


_SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    _add_service,
]


_FINAL_PROCESSORS: list[Any] = [
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    structlog.processors.format_exc_info,
    _hide_secrets,
    _order_fields,
]


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """Return the `LOGGING` dictionary for a level (debug, info, warn, error) and json or text."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": Formatter,
                "style": style,
                "foreign_pre_chain": _SHARED_PROCESSORS,
            }
        },
        "filters": {"django": {"()": DjangoFilter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured"},
            "django": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["django"],
            },
        },
        "root": {"handlers": ["stderr"], "level": _LEVELS[level]},
        "loggers": {
            # Our own middleware logs requests with their id.
            "django.server": {"handlers": [], "propagate": False},
            "django.request": {"level": "ERROR"},
            # A handler's filter also sees the lines of all loggers below this one.
            "django": {
                "handlers": ["django"],
                # At debug, Django logs statements with their values.
                "level": "INFO" if level == "debug" else _LEVELS[level],
                "propagate": False,
            },
            # myhealth.errors says why there is no connection, without names and not each time.
            "psycopg.pool": {"level": "ERROR"},
            "urllib3": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Set up the standard library's logging and structlog (Django's `LOGGING_CONFIG`)."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            *_SHARED_PROCESSORS[:3],
            *_SHARED_PROCESSORS[4:],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
