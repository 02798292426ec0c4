"""One PostgreSQL: where it answers, where it is, whom it runs as, and how it is told to."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myhealth.local.processes import environment, last_line

MAJOR = "18"
HOST, USER, NAME = "127.0.0.1", "postgres", "myhealth"
STOP_SECONDS = 10.0


class EmbeddedError(Exception):
    """The embedded database can't be used; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Connection:
    """Where the database answers, and with what password."""

    host: str
    port: int
    user: str
    password: str
    name: str


@dataclass(frozen=True)
class Owner:
    """Whom PostgreSQL runs as when we are root, which it refuses to be."""

    uid: int
    gid: int

    def privileges(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Server:
    """The places of one PostgreSQL: its binaries, its data, and whom it runs as."""

    var: Path
    binaries: Path
    data: Path
    owner: Owner | None

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.binaries / program), *arguments]

    def privileges(self) -> dict[str, Any]:
        return self.owner.privileges() if self.owner else {}

    def run(self, program: str, *arguments: str, **options: Any) -> str:
        """Run one of PostgreSQL's programs as its owner; EmbeddedError with its last words."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(program, *arguments),
            cwd="/",
            env=environment(),
            capture_output=True,
            text=True,
            **self.privileges(),
            **options,
        )
        if done.returncode:
            raise EmbeddedError(f"{program} failed: {last_line(done.stderr)}")
        return done.stdout
