"""Disks that are full or read-only, and folders that can't be used: one sentence says so."""

import contextlib
import errno
import os
import pwd
import shutil
import subprocess
import sys

import pytest

from myhealth.local import embedded, local_env
from myhealth.local.files import write_private
from myhealth.local.processes import reason
from myhealth.local.server import EmbeddedError, explained
from tests.myhealth.local.database_users import (
    answers,
    copy_database,
    data_folder,
    has_ended,
    keeper,
    postgres,
    query,
    using,
)
from tests.processes import ROOT, wait_until
from tests.scale import full_only

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount a disk"
)
NO_SPACE = r"^There is no space left on the disk of .*: free at least \d+ MB\.$"


@pytest.fixture
def disk(new_var):
    """A small disk of its own for var/, as large as a database and its log need."""
    new_var.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", new_var], check=True
    )
    yield new_var
    embedded.leave(new_var)
    wait_until(lambda: not embedded.is_running(new_var))
    subprocess.run(["umount", "--lazy", new_var], check=True)


@pytest.fixture
def used_disk(disk, used_var):
    for name in ("postgres", "postgres.json"):
        subprocess.run(["cp", "-a", used_var / name, disk], check=True)
    return disk


def fill(folder):
    """Write until there is no space left, and return the file."""
    with (folder / "large").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return folder / "large"


def names(folder):
    return {path.name for path in folder.iterdir()}


@as_root
def test_first_start_needs_space_before_it_begins(disk):
    with pytest.raises(EmbeddedError, match=NO_SPACE):
        embedded.join(disk)
    assert not {"postgres", "postgres.new", "postgres.json"} & names(disk)


@as_root
def test_full_disk_leaves_file_whole_and_nothing_else(disk):
    write_private(disk / "file", "before")
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        write_private(disk / "file", "x" * 10_000)
    assert (disk / "file").read_text() == "before"
    assert names(disk) == {"file", "large"}


@as_root
def test_start_on_full_disk_says_so(used_disk):
    fill(used_disk)
    with pytest.raises(EmbeddedError, match=NO_SPACE):
        embedded.join(used_disk)
    assert not [name for name in names(used_disk) if name.startswith("postgres.json.")]


@as_root
def test_server_killed_on_full_disk_returns_with_space(used_disk):
    with using(used_disk) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
        server = postgres(used_disk)
        large = fill(used_disk)
        server.kill()
        wait_until(lambda: has_ended(server))
        with contextlib.suppress(EmbeddedError):
            embedded.join(used_disk)
        large.unlink()
        connection = embedded.join(used_disk)
        wait_until(lambda: answers(connection))
        assert query(connection, "SELECT number FROM kept") == 7


@as_root
def test_secrets_on_full_disk_say_so(disk):
    fill(disk)
    with pytest.raises(EmbeddedError, match=NO_SPACE):
        local_env.ensure(disk)
    assert names(disk) == {"large"}


@as_root
def test_read_only_disk_says_so(used_disk):
    subprocess.run(["mount", "-o", "remount,ro", used_disk], check=True)
    for use in (embedded.join, local_env.ensure):
        with pytest.raises(EmbeddedError, match="read-only"):
            use(used_disk)


@as_root
def test_protected_folder_says_so(new_var):
    new_var.mkdir()
    if subprocess.run(["chattr", "+i", new_var], capture_output=True).returncode:
        pytest.skip("this file system has no protection")
    try:
        for use in (embedded.join, local_env.ensure):
            with pytest.raises(EmbeddedError, match="does not allow .* to be changed"):
                use(new_var)
    finally:
        subprocess.run(["chattr", "-i", new_var], check=True)


def make_file(var):
    var.write_text("")


def make_broken_link(var):
    var.symlink_to("nowhere")


def make_loop(var):
    var.symlink_to(var)


@pytest.mark.parametrize("make", [make_file, make_broken_link, make_loop])
@pytest.mark.parametrize("use", [embedded.join, local_env.ensure])
def test_what_is_no_folder_is_named(tmp_path, make, use):
    make(tmp_path / "var")
    with pytest.raises(EmbeddedError, match="var.* is not a folder"):
        use(tmp_path / "var")


@pytest.mark.parametrize("use", [embedded.join, local_env.ensure])
def test_name_that_is_too_long_is_named(tmp_path, use):
    with pytest.raises(EmbeddedError, match="too long"):
        use(tmp_path / ("x" * 300))


def test_path_that_is_too_long_for_postgresql_is_named(new_var):
    with pytest.raises(EmbeddedError, match="too long for PostgreSQL"):
        embedded.join(new_var.joinpath(*["x" * 100] * 9))


@full_only
@pytest.mark.parametrize("name", [b"a b'c\"d$e", "josé".encode(), b"jos\xe9", b"-c x=1"])
def test_odd_folder_names_work(new_var, used_var, name):
    new_var.mkdir()
    var = new_var / os.fsdecode(name)
    copy_database(used_var, var)
    with using(var) as user:
        assert answers(user.connection)
        with using(var) as other:
            assert other.connection == user.connection
    wait_until(lambda: not embedded.is_running(var))


def test_new_folder_is_closed_to_others_writing(new_var):
    before = os.umask(0)
    try:
        local_env.ensure(new_var)
    finally:
        os.umask(before)
    assert not new_var.stat().st_mode & 0o022


def test_lost_state_is_written_again_while_running(var):
    with using(var) as user:
        before = (var / "postgres.json").read_text()
        (var / "postgres.json").unlink()
        wait_until((var / "postgres.json").exists)
        assert (var / "postgres.json").read_text() == before
        with using(var) as other:
            assert other.connection == user.connection


@full_only
@pytest.mark.parametrize("content", [b"", b"\xff\0", b"[1]", b'{"port": "x", "password": 7}'])
def test_damaged_state_counts_as_lost(var, content):
    (var / "postgres.json").write_bytes(content)
    with using(var) as user:
        assert answers(user.connection)


def test_folder_deleted_while_in_use_is_named(var):
    embedded.join(var)
    server, parent = postgres(var), keeper(var)
    shutil.rmtree(var)
    with pytest.raises(EmbeddedError, match="was deleted or replaced while it was in use"):
        embedded.join(var)
    assert not var.exists()
    wait_until(lambda: has_ended(server) and has_ended(parent))
    embedded.leave(var)


def test_incomplete_database_is_named(var):
    (data_folder(var) / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedError, match="is incomplete"):
        embedded.join(var)


def test_data_copied_with_open_mode_are_closed_again(var):
    data_folder(var).chmod(0o777)
    with using(var) as user:
        assert answers(user.connection)
    assert data_folder(var).stat().st_mode & 0o777 == 0o700


@full_only
def test_copy_of_running_server_starts(var, tmp_path_factory):
    with using(var) as user:
        copy = var.parent / "copy"
        shutil.copytree(var, copy, ignore=shutil.ignore_patterns("postgres.[!j]*"))
        subprocess.run(["chown", "-R", f"--reference={var / 'postgres'}", copy / "postgres"])
        with using(copy) as other:
            assert answers(other.connection)
            assert other.connection.port != user.connection.port
        assert answers(user.connection)
        wait_until(lambda: not embedded.is_running(copy))


def test_server_of_folder_with_longer_name_lives_on(var):
    arguments = ["-D", f"{data_folder(var)}2", "-c", "x=1"]
    user = "nobody" if os.geteuid() == 0 else None
    with subprocess.Popen(
        ["/bin/sh", "-c", "read line; :", "sh", *arguments], stdin=subprocess.PIPE, user=user
    ) as other:
        lines = f"{other.pid}\n{data_folder(var)}\n1\n5432\n\n127.0.0.1\n"
        (data_folder(var) / "postmaster.pid").write_text(lines)
        with using(var) as user:
            assert answers(user.connection)
        assert other.poll() is None


def join_as(uid, var):
    """Join as another user, who may not be able to enter this checkout; return what is printed."""
    script = (
        "import os, pathlib, sys; from myhealth.local import embedded, server\n"
        "os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
        "try: embedded.join(pathlib.Path(sys.argv[2]))\n"
        "except server.EmbeddedError as error: sys.exit(str(error))"
    )
    command = [sys.executable, "-c", script, str(uid), var]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr


@pytest.fixture
def nobody():
    return pwd.getpwnam("nobody").pw_uid


@as_root
def test_user_without_name_is_told_before_creating_database(new_var):
    new_var.mkdir()
    os.chown(new_var, 54321, 54321)
    printed = join_as(54321, new_var)
    assert "needs a name for the user 54321" in printed
    assert printed.count("\n") == 1
    assert not (new_var / "postgres").exists()


@as_root
def test_data_of_another_user_are_named(new_var, nobody):
    (new_var / "postgres").mkdir(parents=True)
    os.chown(new_var, nobody, nobody)
    assert "postgres belongs to another user" in join_as(nobody, new_var)


@as_root
def test_folder_of_another_user_is_named(new_var, nobody):
    new_var.mkdir(mode=0o700)
    assert "This user has no access to" in join_as(nobody, new_var)


@as_root
def test_user_is_told_where_the_data_of_root_are(new_var, nobody):
    new_var.mkdir()
    (new_var / "postgres.location").write_text(f"{new_var.parent}/elsewhere\n")
    os.chown(new_var, nobody, nobody)
    assert "root has run myhealth here before" in join_as(nobody, new_var)


@as_root
def test_system_without_nobody_is_named(new_var, monkeypatch):
    def unknown(name):
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(EmbeddedError, match="no user `nobody`"):
        embedded.join(new_var)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EDQUOT, "no space left"),
        (errno.EFBIG, "no space left"),
        (errno.ENOLCK, "does not support file locks"),
        (errno.EIO, "can't be used"),
    ],
)
def test_error_of_the_file_system_is_a_sentence(tmp_path, number, words):
    with pytest.raises(EmbeddedError, match=words) as raised, explained(tmp_path):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (
            "09:37 UTC [5] FATAL:  could not write to file\nchild process exited with exit code 1\n"
            "initdb: removing data directory\n",
            "could not write to file",
        ),
        ("initdb: error: directory exists\ninitdb: hint: remove it\n", "directory exists"),
        ("psql:<stdin>:1: ERROR:  could not extend\nHINT:  Check space.\n", "could not extend"),
        ("something\nends\n", "ends"),
        ("", "no reason given"),
    ],
)
def test_reason_of_a_program_is_its_first_error(output, why):
    assert reason(output) == why


@as_root
def test_data_restored_by_root_get_the_servers_owner(var):
    subprocess.run(["chown", "-R", "0:0", var / "postgres"], check=True)
    with using(var) as user:
        assert answers(user.connection)
        assert postgres(var).uids().real != 0


@as_root
def test_data_in_a_place_that_is_gone_are_named(var):
    (var / "postgres.location").write_text("/var/lib/myhealth-0123456789ab/postgres\n")
    with pytest.raises(EmbeddedError, match="the data is in .*, but nothing is there"):
        embedded.join(var)


def test_files_of_killed_processes_are_deleted(var):
    (var / "postgres.json.123-456").write_text("{")
    embedded.join(var)
    assert not (var / "postgres.json.123-456").exists()
