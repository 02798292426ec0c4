"""What the README has people type works as pasted."""

import re
import subprocess

from tests.processes import ROOT

README = (ROOT / "README.md").read_text()


def commands(heading):
    """The indented lines under a heading."""
    section = README.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    return "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))


def test_the_lines_under_use_work_as_pasted(machine):
    run = machine.start().await_ready()
    script = commands("## Use").replace("var/local.env", str(machine.var / "local.env"))
    for default, name in ((8000, "API_PORT"), (8001, "PROCESSOR_PORT")):
        script = script.replace(f"localhost:{default}", f"localhost:{machine.ports[name]}")
    # Only the status is changed to be seen: a refusal ends the script.
    script, count = re.subn(r"\bcurl -s\b", "curl -sSf", script)
    assert count >= 8
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"day":"' in done.stdout
    assert "contributors.activity_balance" in done.stdout
    assert '"status":"success"' in done.stdout
    assert run.password not in done.stdout


def test_every_setting_is_in_the_table_and_nothing_else():
    settings = (ROOT / "myhealth" / "settings.py").read_text()
    known = set(
        re.findall(
            r'(?:text|flag|number|listed|choice|url|origins|setting)\(\s*"([A-Z_]+)"', settings
        )
    )
    known |= set(re.findall(r'environ\.get\("([A-Z_]+)"\)', settings))
    # The runner's own.
    known |= {"DEMO_PASSWORD"}
    rows = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in rows.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)} == known
