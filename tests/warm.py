"""New processes that run some code, forked from one that has imported what takes long."""

import functools
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

from tests.processes import ROOT

# Packages that our settings and services import. None reads a setting.
_IMPORTED = [
    "boto3",
    "corsheaders",
    "cryptography.fernet",
    "django.core.handlers.wsgi",
    "django.db.backends.postgresql.base",
    "django_prometheus",
    "dotenv",
    "drf_spectacular",
    "environ",
    "msgspec",
    "orjson",
    "psycopg_pool",
    "requests",
    "structlog",
]


def run_code(code, environment, folder=ROOT):
    """Run code as `python -c` would in a folder; return its standard output and error.

    Variables that are None are left out of the environment.
    """
    environment = {name: value for name, value in environment.items() if value is not None}
    with tempfile.TemporaryDirectory() as outputs:
        arguments = (code, environment, str(folder), outputs)
        process = _context().Process(target=_run, args=arguments)
        process.start()
        process.join()
        process.close()
        return tuple((Path(outputs) / name).read_text() for name in ("stdout", "stderr"))


@functools.cache
def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


def _run(code, environment, folder, outputs):
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        with (Path(outputs) / name).open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv[:] = ["-c"]
    exec(code, {"__name__": "__main__"})
