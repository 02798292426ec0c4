"""The Helm chart as `helm template` renders it, and what can be asked of its objects."""

import functools
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "myhealth"
TOOLS = ROOT / "deploy" / "tools"
SETS = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))

each_set = pytest.mark.parametrize("name", SETS)


def run(tool, *arguments):
    command = [str(TOOLS / tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def values_of(name):
    return CHART / "ci" / f"{name}-values.yaml"


def template(name, *options):
    return run("helm", "template", "health", CHART, "-n", "people", "-f", values_of(name), *options)


@functools.cache
def rendered(name, *options):
    answer = template(name, *options)
    assert answer.returncode == 0, answer.stderr
    return [found for found in yaml.safe_load_all(answer.stdout) if found]


def of_kind(kind, objects):
    return [found for found in objects if found["kind"] == kind]


def only(kind, objects, ending=""):
    (found,) = (each for each in of_kind(kind, objects) if name_of(each).endswith(ending))
    return found


def name_of(found):
    return found["metadata"]["name"]


def pods(objects):
    """The pod templates of all workloads."""
    for found in objects:
        spec = found.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec and "containers" in spec["template"].get("spec", {}):
            yield spec["template"]


def pod_of(component, objects):
    (pod,) = (each for each in pods(objects) if component_of(each) == component)
    return pod


def component_of(pod):
    return pod["metadata"]["labels"]["app.kubernetes.io/component"]


def container_of(component, objects):
    (container,) = pod_of(component, objects)["spec"]["containers"]
    return container


def containers(objects):
    return [each for pod in pods(objects) for each in pod["spec"]["containers"]]


def selects(selector, pod):
    wanted = selector.get("matchLabels", selector)
    return wanted.items() <= pod["metadata"]["labels"].items()


def hook_weight(found):
    annotations = found["metadata"].get("annotations", {})
    if "pre-install" in annotations.get("helm.sh/hook", ""):
        assert "pre-upgrade" in annotations["helm.sh/hook"]
        return int(annotations["helm.sh/hook-weight"])
    return None


def environment_of(component, objects):
    """What the container's process would find in its environment."""
    container = container_of(component, objects)
    found = {}
    for source in container.get("envFrom", []):
        found |= only("ConfigMap", objects, source["configMapRef"]["name"])["data"]
    for entry in container["env"]:
        if "value" in entry:
            found[entry["name"]] = entry["value"]
            continue
        wanted = entry["valueFrom"]["secretKeyRef"]
        (secret,) = (each for each in of_kind("Secret", objects) if name_of(each) == wanted["name"])
        if not wanted.get("optional") or wanted["key"] in secret["stringData"]:
            found[entry["name"]] = secret["stringData"][wanted["key"]]
    return found
