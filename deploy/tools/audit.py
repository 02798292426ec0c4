#!/usr/bin/env python3
"""Look for known vulnerabilities in the pinned dependencies, and list all of them (SBOM).

It reports and blocks nothing: what to do about a vulnerability is for a person to decide. The
tools are installed once, in an environment of their own: they would add fifty packages to that
of the services.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "deploy/tools/audit.txt"
REQUIREMENTS = ("requirements.txt", "requirements-local.txt")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def run_tool(tools: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # As a module: its script would not work after the folder was moved.
    return run(tools / "bin/python", "-m", *command)


def install(tools: Path) -> bool:
    """Install the tools as they are pinned, and return whether they are there."""
    installed = tools / "installed.txt"
    if installed.exists() and installed.read_bytes() == PINS.read_bytes():
        return True
    say("Installing the tools of the audit (some minutes, once) …")
    pip = (tools / "bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    run(sys.executable, "-m", "venv", "--clear", tools)
    if run(*pip, "--require-hashes", "-r", PINS).returncode:
        return False
    installed.write_bytes(PINS.read_bytes())
    return True


def findings(tools: Path) -> Iterator[str]:
    """Yield what is known about the dependencies, a sentence each."""
    files = [part for name in REQUIREMENTS for part in ("-r", name)]
    options = ("--format=json", "--desc=off", "--progress-spinner=off", "--require-hashes")
    cache = f"--cache-dir={tools / 'cache'}"
    report = run_tool(tools, "pip_audit", "--disable-pip", *options, cache, *files).stdout
    dependencies: list[dict[str, Any]] = json.loads(report)["dependencies"] if report else []
    # pip-audit skips what the database does not answer, and calls the result free of findings.
    known = [each for each in dependencies if "skip_reason" not in each]
    vulnerabilities = [(each, found) for each in known for found in each["vulns"]]
    for each, found in vulnerabilities:
        fixed = (
            f"fixed in {', '.join(found['fix_versions'])}" if found["fix_versions"] else "no fix"
        )
        yield f"{each['name']} {each['version']}: {found['id']}, {fixed}."
    if not known:
        yield "Nothing was checked: the vulnerability database can't be reached from here."
        return
    skipped = sorted(each["name"] for each in dependencies if each not in known)
    if skipped:
        yield f"Not checked, because the vulnerability database lacks them: {', '.join(skipped)}."
    yield f"Dependencies checked: {len(known)}; known vulnerabilities: {len(vulnerabilities)}."


def write_sbom(tools: Path, path: Path) -> str:
    """List what the image contains, the same for the same pins, and return a sentence."""
    made = run_tool(
        tools,
        *("cyclonedx_py", "requirements", "--output-reproducible", "--output-format=JSON"),
        *("--pyproject=pyproject.toml", "requirements.txt"),
    )
    if made.returncode:
        return f"{path} could not be written: {made.stderr.strip()}"
    # Whole or not at all.
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(made.stdout)
    unfinished.replace(path)
    return f"Components: {path}"


def main(var: Path) -> None:
    tools = var / "tools/audit"
    if not install(tools):
        say(
            "Nothing was checked: the tools can't be installed, for example because there is no "
            "network."
        )
        return
    say("Looking for known vulnerabilities …")
    for line in findings(tools):
        say(line)
    say(write_sbom(tools, var / "sbom.json"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "var")
