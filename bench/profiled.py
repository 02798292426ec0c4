"""A service of myhealth that profiles itself: `GET /_bench/profile` answers where its time went
since the last such request.

Requests are served one after the other, since Python has one profiler for all threads.
"""

import cProfile
import io
import pstats
import threading
from collections.abc import Callable, Iterable
from typing import Any

from myhealth.wsgi import application as _served

_profile = cProfile.Profile()
_lock = threading.Lock()
_LINES = 40
_PATH = "/_bench/profile"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    with _lock:
        if environ["PATH_INFO"] == _PATH:
            body = _report()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [body]
        answer = None
        _profile.enable()
        try:
            answer = _served(environ, start_response)
            return [b"".join(answer)]
        finally:
            # Closing ends the request.
            if answer is not None and hasattr(answer, "close"):
                answer.close()
            _profile.disable()


def _report() -> bytes:
    text = io.StringIO()
    stats = pstats.Stats(_profile, stream=text)
    for order in ("tottime", "cumulative"):
        stats.sort_stats(order).print_stats(_LINES)
    _profile.clear()
    return text.getvalue().encode()
