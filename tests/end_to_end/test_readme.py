"""What the README has people paste works, and leaves no trace."""

import re
import shutil
import subprocess

import pytest
import requests
import yaml
from django.template import engines
from django.test import Client

from accounts.personal_tokens import create_token
from tests.processes import ROOT
from tests.scale import full_only
from tests.worlds import store_days

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
SHELLS = {"bash": ["bash", "-euo", "pipefail"], "zsh": ["zsh", "-f", "-eu", "-o", "pipefail"]}


def pasted(heading):
    """Return the indented lines under a heading, up to the next one; others are fenced."""
    shell = re.sub(r"(?ms)^```.*?^```", "", README)
    section = shell.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    return [line[4:] for line in section.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("path", ["README.md", *sorted(p.name for p in DOCS.glob("*.md"))])
def test_no_pasted_line_is_a_comment(path):
    # An interactive zsh takes a comment for a command.
    text = README if path == "README.md" else (DOCS / path).read_text()
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    assert not [line for line in lines if line.startswith("#") or " # " in line]


@pytest.fixture
def machine(running_machine):
    return running_machine


@pytest.fixture
def run(machine):
    return machine.runs[0]


@pytest.fixture
def use(machine, run):
    """The lines under Use, for this machine; a refused request ends them."""
    script = "\n".join(pasted("## Use")).replace("var/local.env", str(machine.var / "local.env"))
    for default, name in ((8000, "API_PORT"), (8001, "PROCESSOR_PORT")):
        script = script.replace(f"localhost:{default}", f"localhost:{machine.ports[name]}")
    script, count = re.subn(r"\bcurl -s\b", "curl -sSf", script)
    assert count >= 8
    return script


def coverage(run):
    answer = requests.get(
        f"{run.url}api/v1/coverage",
        params={"start": "2010-01-01", "end": "2030-01-01"},
        headers=run.log_in(),
    )
    return answer.json()


def test_lines_under_use_work_as_pasted_and_leave_no_trace(run, use):
    before = coverage(run)
    for shell in filter(shutil.which, SHELLS):
        done = subprocess.run([*SHELLS[shell], "-c", use], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), shell
        assert '"day":"' in done.stdout
        assert "contributors.activity_balance" in done.stdout
        assert '"status":"success"' in done.stdout
        assert run.password not in done.stdout
    assert coverage(run) == before


OTHERS = "### Use from other programs"


def fenced(language):
    return re.search(rf"```{language}\n(.*?)```", README.partition(OTHERS)[2], re.DOTALL)[1]


def test_personal_token_of_the_command_line_reads(machine, run):
    script = "\n".join(pasted(OTHERS)).replace("localhost:8000", run.url.split("/")[2])
    environment = machine.environment()
    done = subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("oura_id,day,score,")
    assert "mh_" not in done.stdout


@pytest.fixture
def read_as_program(ana):
    """A function that reads an address of the README, with what it has as the header."""
    today = ana.today()
    store_days(ana, [today], score=81, lowest_heart_rate=48)
    store_days(ana, [today], "activity", steps=9000)
    token = create_token(ana, "a program", None)

    def read(url, header="Bearer mh_…"):
        for name in ("from", "to"):
            url = url.replace(f"${{__{name}:date:YYYY-MM-DD}}", str(today))
        headers = {"Authorization": header.replace("mh_…", token)}
        return Client().get(url.removeprefix("http://localhost:8000"), headers=headers)

    return read


def test_table_of_pandas_is_read(read_as_program):
    url, header = re.search(r'"(http.*?)".*?("Bearer.*?")', fenced("python"), re.DOTALL).groups()
    answer = read_as_program(url, header.strip('"'))
    assert answer.content.decode().splitlines()[0].startswith("oura_id,day,score,")
    compile(fenced("python"), "README", "exec")


def test_sensors_of_home_assistant_have_values(read_as_program):
    (each,) = yaml.safe_load(fenced("yaml"))["rest"]
    value = read_as_program(each["resource"], each["headers"]["Authorization"]).json()
    # In Django's templates, these mean the same as in Jinja's.
    shown = [
        engines["django"].from_string(sensor["value_template"]).render({"value_json": value})
        for sensor in each["sensor"]
    ]
    assert shown == ["81", "48", "9000"]


@full_only
def test_query_of_grafana_has_its_columns(read_as_program):
    answer = read_as_program(fenced("text").strip())
    assert {"day", "score"} < set(answer.content.decode().splitlines()[0].split(","))
    assert answer.content.decode().count("\n") == 2


@full_only
def test_crontab_lines_collect(machine, run):
    *settings, entry = pasted("### Collecting by cron")[:5]
    minute, command = re.fullmatch(r"(\S+ \* \* \* \*) ([^%]+)", entry).groups()
    secrets = dict(
        line.split("=", 1) for line in (machine.var / "local.env").read_text().splitlines()
    )
    people = requests.get(f"http://localhost:{machine.ports['SANDBOX_PORT']}/_sandbox/people")
    values = {
        "OURA_API_KEY": people.json()[0]["access_token"],
        "OURA_USER": "demo",
        "PROCESSOR_URL": f"http://127.0.0.1:{machine.ports['PROCESSOR_PORT']}",
        "INGEST_TOKENS": secrets["INGEST_TOKENS"],
    }
    assert [line.partition("=")[0] for line in settings] == list(values)
    log = machine.var / "collect.log"
    command = command.replace("/srv/myhealth", str(ROOT)).replace(">>collect.log", f">>{log}")
    # cron's environment, and the sandbox instead of Oura.
    environment = {"HOME": "/", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
    environment["OURA_API_URL"] = f"http://localhost:{machine.ports['SANDBOX_PORT']}"
    done = subprocess.run(["/bin/sh", "-c", command], env=environment | values)
    assert done.returncode == 0, log.read_text()
