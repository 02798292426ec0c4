"""Output in any encoding: a person's terminal may not have all of our characters."""

import codecs
import io
import sys


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].replace("…", "...")
    return text.encode(error.encoding, "backslashreplace").decode(error.encoding), error.end


codecs.register_error("myhealth", _spell_out)


def accept_any_text() -> None:
    """Let the standard streams spell out what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="myhealth")
