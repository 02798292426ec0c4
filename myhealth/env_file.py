"""Files of settings, such as `.env`, in all the ways that people and their editors write them."""

import codecs
import io
import re
from pathlib import Path

from dotenv.parser import parse_stream

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Word processors turn quotes into these, which would become part of the value.
_TYPOGRAPHIC_QUOTES = tuple("“”„‘’‚«»")


def decode(raw: bytes) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 as Windows' PowerShell writes it.

    What can't be decoded becomes U+FFFD.
    """
    is_utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")


def is_decoded(text: str) -> bool:
    return "\ufffd" not in text and "\0" not in text


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a text, and what is wrong with which line, without quoting it."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    # One line at a time, so that a quote that isn't closed ends with its line.
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        [binding] = parse_stream(io.StringIO(line))
        name, value = binding.key, binding.value
        if not is_decoded(line):
            problems.append(f"line {number}: this line is not UTF-8; save the file as UTF-8.")
        elif name is None and not binding.error:
            pass  # Blank, or a comment.
        elif name is None or value is None or not _NAME.fullmatch(name):
            problems.append(
                f"line {number}: write NAME=value, with a name of letters, digits and _, "
                "and close each quote."
            )
        elif value.startswith(_TYPOGRAPHIC_QUOTES):
            problems.append(f"line {number}: use straight quotes, or no quotes.")
        elif lines.setdefault(name, number) != number:
            problems.append(
                f"line {number}: line {lines[name]} sets the same name; remove one of them."
            )
        else:
            values[name] = value
    return values, problems


def read(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a file, and what can't be read in it; none if there is no file."""
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except IsADirectoryError:
        # Docker makes one if a file that it is to mount is missing.
        return {}, [f"{path} must be a file, but is a folder: remove or rename it."]
    except OSError as error:
        return {}, [f"{path} can't be read: {error.strerror}."]
    values, problems = parse(decode(raw))
    return values, [f"{path}, {problem}" for problem in problems]
