"""Several people who have connected their Oura accounts, and the collector that serves them."""

import json
import os
import subprocess
import sys

from oura import connections
from tests.processes import ROOT, TOKEN
from tests.worlds import person

VERIFIER = "v" * 50


class Club:
    """Some people who have connected the sandbox's people of the same number."""

    def __init__(self, at_oura, processor, settings, database):
        self.at_oura = at_oura
        self.environment = {
            **os.environ,
            **database,
            **at_oura.settings(),
            "TOKEN_ENCRYPTION_KEYS": ",".join(settings.TOKEN_ENCRYPTION_KEYS),
            "PROCESSOR_URL": processor.url,
            "INGEST_TOKENS": TOKEN,
        }

    def join(self, number, **consent):
        user = person(f"member{number}", password_of="ana")
        code = self.at_oura.code(person=f"member{number}", **consent)
        return connections.connect(user, code, VERIFIER).connection

    def collect(self, *arguments, **changed):
        done = subprocess.run(
            [sys.executable, "manage.py", "collect_oura", "--output", "json", *arguments],
            cwd=ROOT,
            env={**self.environment, **changed},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr
