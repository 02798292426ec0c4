"""Run one service with the production server: `python -m myhealth.serve [APPLICATION]`.

From the environment: `HOST` (127.0.0.1; `*` is all addresses of this machine), `PORT` (8000),
`WORKERS` (2) processes of `THREADS` (16) each; at the end, requests have `STOP_SECONDS` (10) to
finish.
"""

import ipaddress
import os
import resource
import socket
import sys
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from myhealth.secret_settings import exit_if, read_env_file

# A client that sends nothing keeps its connection for so many milliseconds, the most that granian
# takes: proxies must close idle connections sooner, or they send requests on closed ones.
_IDLE_MS = 60_000
# Connections a worker accepts. An idle one costs some kilobytes. A client that opens as many shuts
# out everybody else, but of two workers, one address has not ports enough for that.
_CONNECTIONS = 16_384


def _threads() -> str:
    return os.environ.get("THREADS") or "16"


def listening_address(host: str) -> str:
    """Return the address to listen on for a `HOST`, as the server takes it. Exits if it is none."""
    # Docker's --env-file hands quotes on.
    host = host.strip("'\" ")
    if host != "*":
        try:
            known = {"": "127.0.0.1", "localhost": "127.0.0.1"}
            return str(ipaddress.ip_address(known.get(host, host.strip("[]"))))
        except ValueError:
            exit_if(
                [
                    "HOST must be one of this machine's addresses, such as 127.0.0.1, or * for "
                    "all of them."
                ]
            )
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            # It takes IPv4 as well, unless the system is set to keep them apart.
            has_both = not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        has_both = False
    return "::" if has_both else "0.0.0.0"


def server_options(
    port: int | str, workers: int | str = 2, *, stop_seconds: str = "10"
) -> list[str]:
    """Return the options of granian."""
    return [
        *("--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", listening_address(os.environ.get("HOST", "")), "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", _threads()),
        *("--backpressure", str(_CONNECTIONS), "--http1-header-read-timeout", str(_IDLE_MS)),
        # The first line and all headers of a request together.
        *("--http1-buffer-size", str(16 * 1024)),
        *("--respawn-failed-workers", "--workers-kill-timeout", stop_seconds),
        *("--log-level", "error"),
    ]


def allow_connections() -> None:
    """Allow this process and its children as many open files as the system lets them have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _CONNECTIONS if hard == resource.RLIM_INFINITY else min(2 * _CONNECTIONS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check_settings() -> None:
    """Exit with what is wrong with the settings: each worker would say it, again and again."""
    if not os.fork():
        # This process keeps its secrets, which the settings remove from the environment.
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
        try:
            _ = settings.SERVING
        except ImproperlyConfigured as problem:
            sys.stderr.write(f"{problem}\n")
            os._exit(2)
        os._exit(0)
    if code := os.waitstatus_to_exitcode(os.wait()[1]):
        sys.exit(code)


def main(arguments: list[str]) -> None:
    exit_if(read_env_file(Path(__file__).resolve().parents[1] / ".env"))
    setting = os.environ.get
    options = server_options(
        setting("PORT") or 8000,
        setting("WORKERS") or 2,
        stop_seconds=setting("STOP_SECONDS") or "10",
    )
    allow_connections()
    # The settings of the workers must know how many there are.
    os.environ["THREADS"] = _threads()
    # Programs read its log, so that is in UTF-8 whatever the locale of this terminal; then the
    # settings must be, too.
    os.environ["PYTHONUTF8"] = "1"
    environment = {
        name.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape")
        for name, value in os.environ.items()
    }
    _check_settings()
    command = str(Path(sys.executable).with_name("granian"))
    arguments = [command, *options, *(arguments or ["myhealth.wsgi:application"])]
    os.execve(command, arguments, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
