"""The address of the embedded PostgreSQL, its folders, and the user it runs as."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myhealth.local.processes import clean_environment, reason

MAJOR = "18"
HOST, USER, NAME = "127.0.0.1", "postgres", "myhealth"
STOP_SECONDS = 10.0


# What a new database takes, and what it needs to grow for a while.
NEEDED_MB = 300


class EmbeddedError(Exception):
    """The embedded database can't be used; the message says what to do."""


def no_space(folder: Path) -> EmbeddedError:
    return EmbeddedError(
        f"There is no space left on the disk of {folder}: free at least {NEEDED_MB} MB."
    )


def is_disk_full(output: str) -> bool:
    """Return whether a program's output says so."""
    return "No space left on device" in output or "Disk quota exceeded" in output


def free_mb(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize // 1_000_000


def failure(program: str, output: str) -> EmbeddedError:
    """Return the error for a program that failed, with the line that says why."""
    why = reason(output)
    if is_disk_full(output):
        return EmbeddedError(
            f"There is no space left on the disk: free some space. ({program}: {why})"
        )
    return EmbeddedError(f"{program} failed: {why}")


@contextlib.contextmanager
def explained(folder: Path, setting: str = "VAR_DIR") -> Iterator[None]:
    """Raise EmbeddedError instead of an OSError about a file in the folder of a setting."""
    try:
        yield
    except OSError as error:
        raise _explain(error, folder, setting) from error


def _explain(error: OSError, folder: Path, setting: str) -> EmbeddedError:
    named = isinstance(error.filename, str | bytes)
    path = Path(os.fsdecode(error.filename)) if named else folder
    elsewhere = f"or choose another folder with {setting}."
    # Not by its number alone: that of many copied files has none.
    if is_disk_full(str(error)) or error.errno == errno.EFBIG:
        return no_space(path.parent if named else folder)
    match error.errno:
        case errno.EROFS:
            return EmbeddedError(
                f"{folder} is on a read-only file system: make it writable, {elsewhere}"
            )
        case errno.EACCES:
            return EmbeddedError(
                f"This user has no access to {path}: run as the user who created it, {elsewhere}"
            )
        case errno.EPERM:
            return EmbeddedError(
                f"The system does not allow {path} to be changed: remove its protection (see "
                f"`lsattr`), {elsewhere}"
            )
        case errno.ENOLCK | errno.ENOTSUP | errno.ENOSYS:
            return EmbeddedError(
                f"The file system of {folder} does not support file locks: use a local disk, "
                f"{elsewhere}"
            )
        case errno.EEXIST | errno.ENOTDIR | errno.ELOOP:
            wrong = path if folder.is_dir() else folder
            return EmbeddedError(f"{wrong} is not a folder: remove it, {elsewhere}")
        case errno.ENAMETOOLONG:
            return EmbeddedError(
                f"The path of {folder} is too long: choose another folder with {setting}."
            )
    return EmbeddedError(f"{path} can't be used: {error.strerror or error}.")


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

        Raises EmbeddedError with the line of its output that says why.
        """
        result: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(program, *arguments),
            cwd="/",
            env=clean_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            **self.process_options(),
            **options,
        )
        if result.returncode:
            raise failure(program, result.stderr)
        return result.stdout
