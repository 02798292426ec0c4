"""The address of the embedded PostgreSQL, its folders, and the user it runs as."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myhealth.local.processes import clean_environment, last_line

MAJOR = "18"
HOST, USER, NAME = "127.0.0.1", "postgres", "myhealth"
STOP_SECONDS = 10.0


class EmbeddedError(Exception):
    """The embedded database can't be used; the message says what to do."""


@dataclass(frozen=True)
class ConnectionInfo:
    """The address, user and password of the database."""

    host: str
    port: int
    user: str
    password: str
    name: str


@dataclass(frozen=True)
class Owner:
    """The user that PostgreSQL runs as if we are root, as which it refuses to run."""

    uid: int
    gid: int

    def process_options(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Server:
    """The folders of the embedded PostgreSQL, and the user it runs as."""

    var: Path
    binaries: Path
    data: Path
    owner: Owner | None

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.binaries / program), *arguments]

    def process_options(self) -> dict[str, Any]:
        """Return the options of `subprocess` that run a program as the owner."""
        return self.owner.process_options() if self.owner else {}

    def run(self, program: str, *arguments: str, **options: Any) -> str:
        """Run one of PostgreSQL's programs as its owner, and return its output.

        Raises EmbeddedError with the last line of an error message.
        """
        result: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(program, *arguments),
            cwd="/",
            env=clean_environment(),
            capture_output=True,
            text=True,
            **self.process_options(),
            **options,
        )
        if result.returncode:
            raise EmbeddedError(f"{program} failed: {last_line(result.stderr)}")
        return result.stdout
