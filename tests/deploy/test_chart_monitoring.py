"""What Prometheus and Grafana get: rules, alerts, dashboards, and who may scrape."""

import base64
import json
import re

import pytest
import yaml

from tests.deploy.charts import ROOT, container_of, name_of, of_kind, only, rendered, run
from tests.scale import full_only

RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))
EXAMPLES = sorted((ROOT / "deploy" / "prometheus").glob("*.test.yml"))
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))


def expressions(path):
    """The PromQL of a rule file or a dashboard, with a dashboard's variables filled in."""
    if path.suffix == ".json":
        panels = json.loads(path.read_text())["panels"]
        found = [target["expr"] for panel in panels for target in panel["targets"]]
        return [
            each.replace("$__rate_interval", "5m").replace("$namespace", ".*") for each in found
        ]
    return [rule["expr"] for rule in rules_of(path)]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_prometheus_accepts_the_rules(path):
    answer = run("promtool", "check", "rules", path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@full_only
def test_each_alert_fires_when_it_should_and_only_then():
    answer = run("promtool", "test", "rules", *EXAMPLES)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    tests = [test for path in EXAMPLES for test in yaml.safe_load(path.read_text())["tests"]]
    tried = {each["alertname"] for test in tests for each in test["alert_rule_test"]}
    assert tried == {rule["alert"] for path in RULES for rule in rules_of(path)}


def rules_of(path):
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_prometheus_accepts_the_dashboards_expressions(path, tmp_path):
    rules = [{"record": f"panel_{n}", "expr": expr} for n, expr in enumerate(expressions(path))]
    (tmp_path / "panels.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})
    )
    answer = run("promtool", "check", "rules", tmp_path / "panels.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("path", [*RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_alerts_and_panels_ask_for_metrics_that_the_code_has(path):
    folders = ("myhealth", "accounts", "ingest", "oura", "dashboard")
    code = "".join(each.read_text() for name in folders for each in (ROOT / name).rglob("*.py"))
    for expression in expressions(path):
        for name in re.findall(
            r"\b(\w+_(?:total|seconds|progress|missing))(?:_bucket)?\b", expression
        ):
            assert f'"{name}"' in code, name


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_every_alert_has_severity_and_action(path):
    for rule in rules_of(path):
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_chart_carries_the_rules_as_they_are():
    carried = [each["spec"] for each in of_kind("PrometheusRule", rendered("full"))]
    assert carried == [yaml.safe_load(path.read_text()) for path in RULES]


def test_the_chart_carries_the_dashboards_as_they_are():
    carried = only("ConfigMap", rendered("full"), "-dashboards")["data"]
    assert carried == {path.name: path.read_text() for path in DASHBOARDS}


def test_scraped_labels_and_jobs_match_rules():
    monitors = of_kind("ServiceMonitor", rendered("full"))
    endpoints = [each["spec"]["endpoints"][0] for each in monitors]
    assert all(endpoint["honorLabels"] for endpoint in endpoints)
    jobs = {endpoint["relabelings"][0]["replacement"] for endpoint in endpoints}
    assert jobs == {"myhealth-api", "myhealth-processor"}


@pytest.mark.parametrize(
    ("name", "options", "secret"),
    [
        ("external-secrets", (), "health-myhealth-metrics"),
        ("external-secrets", ("--set", "metrics.token.secret=own"), "own"),
        ("full", (), "health"),
    ],
)
def test_prometheus_is_given_the_token_that_the_pods_ask_for(name, options, secret):
    objects = rendered(name, *options)
    for monitor in of_kind("ServiceMonitor", objects):
        asked = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
        assert asked == {"name": secret, "key": "METRICS_TOKEN"}
        wanted = {"name": "METRICS_TOKEN", "valueFrom": {"secretKeyRef": asked}}
        assert wanted in container_of("api", objects)["env"]
        assert wanted in container_of("processor", objects)["env"]


@full_only
def test_metrics_token_is_random_unless_given():
    tokens = {
        only("Secret", rendered("minimal", "-n", each), "-metrics")["data"]["METRICS_TOKEN"]
        for each in ("one", "two")
    }
    assert len(tokens) == 2
    assert all(len(base64.b64decode(token)) == 48 for token in tokens)
    assert not [each for each in of_kind("Secret", rendered("full")) if "-metrics" in name_of(each)]


def test_prometheus_verifies_processor_with_tls():
    endpoint = only("ServiceMonitor", rendered("full"), "-processor")["spec"]["endpoints"][0]
    assert endpoint["scheme"] == "https"
    ca = {"secret": {"name": "health-processor-tls", "key": "ca.crt"}}
    assert endpoint["tlsConfig"] == {"ca": ca, "serverName": "health-processor"}
