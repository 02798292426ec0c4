"""The Helm chart as `helm template` renders it, for each set of values in its folder ci/.

No cluster can be had here: what a cluster would check, schemas and assertions of our own do.
"""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "myhealth"
TOOLS = ROOT / "deploy" / "tools"
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))
EXAMPLES = sorted((ROOT / "deploy" / "prometheus").glob("*.test.yml"))
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
SETS = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))
# Their definitions come with an operator, not with Kubernetes.
CUSTOM = {
    "AuthorizationPolicy",
    "ExternalSecret",
    "Gateway",
    "HTTPRoute",
    "PeerAuthentication",
    "PrometheusRule",
    "ServiceMonitor",
    "VirtualService",
}
SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET_KEY|JWT_SECRET|API_KEY|CLIENT_SECRET|EMAIL_URL")

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


# Rendering ------------------------------------------------------------------------------------


@each_set
def test_helm_finds_nothing_to_complain_about(name):
    answer = run("helm", "lint", "--strict", CHART, "-f", values_of(name))
    assert answer.returncode == 0, answer.stdout + answer.stderr


@each_set
@pytest.mark.parametrize("version", ["1.30", "1.35"])
def test_objects_are_as_kubernetes_defines_them(name, version):
    for found in rendered(name):
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, version, strict=True)


def test_sets_render_every_kind_that_the_chart_has():
    kinds = set(re.findall(r"(?m)^kind: (\w+)$", "".join(map(Path.read_text, templates()))))
    assert kinds == {found["kind"] for name in SETS for found in rendered(name)}


def templates():
    return sorted((CHART / "templates").glob("*.yaml"))


def test_every_missing_value_is_told_in_one_message():
    answer = run("helm", "template", "health", CHART)
    assert answer.returncode != 0
    for value in ("publicUrl", "database.host", "api.trustedProxies", "secrets needs"):
        assert f"- {value}" in answer.stderr


def test_ten_lines_of_values_suffice_and_the_readme_shows_them():
    minimal = values_of("minimal").read_text()
    assert minimal.count("\n") <= 10
    assert minimal in (CHART / "README.md").read_text()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("api.replicas=0", "/api/replicas"),
        ("api.colour=red", "'colour' not allowed"),
        ("api.resources=null", "missing property 'resources'"),
        ("publicUrl=http://health.example.org", "/publicUrl"),
        ("image.digest=latest", "/image/digest"),
        ("settings.JWT_SECRET=abc", "JWT_SECRET"),
        ("settings.DB_HOST=elsewhere", "DB_HOST"),
        ("collector.schedule=hourly", "/collector/schedule"),
        ("database.sslMode=maybe", "/database/sslMode"),
        ("publicPaths[0].path=/metrics,publicPaths[0].type=Exact", "/publicPaths/0"),
        ("publicPaths[0].path=/,publicPaths[0].type=Prefix", "/publicPaths/0"),
        ("secrets.values.SECRET_KEY=short", "/secrets/values/SECRET_KEY"),
        ("secrets.aws.secretId=two-sources", "exactly one source, not 2"),
        ("collector.shards=2", "oura.connections"),
        ("httpRoute.enabled=true", "httpRoute.parentRefs"),
        ("istio.enabled=true", "istio.gateway"),
        ("api.autoscaling.min=9", "autoscaling.min"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(wrong, told):
    answer = template("minimal", "--set", wrong)
    assert answer.returncode != 0
    assert told in answer.stderr


# Pods -----------------------------------------------------------------------------------------


@each_set
def test_every_pod_keeps_to_the_restricted_standard(name):
    for pod in pods(rendered(name)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap"}


@each_set
def test_every_container_runs_without_privileges_on_a_read_only_root(name):
    for container in containers(rendered(name)):
        assert container["securityContext"] == {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = [each for each in container["volumeMounts"] if not each.get("readOnly")]
        assert [each["mountPath"] for each in writable] == ["/tmp"]


@each_set
def test_every_container_has_requests_and_limits(name):
    for container in containers(rendered(name)):
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][bound].keys()


@each_set
@pytest.mark.parametrize("component", ["api", "processor"])
def test_servers_are_probed_and_stopped_as_they_need(name, component):
    pod = pod_of(component, rendered(name))
    container = pod["spec"]["containers"][0]
    probes = {each: container[f"{each}Probe"]["httpGet"] for each in ("startup", "liveness")}
    assert {probe["path"] for probe in probes.values()} == {"/health"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == 5
    assert pod["spec"]["terminationGracePeriodSeconds"] == 40
    assert pod["spec"]["enableServiceLinks"] is False


def test_the_image_does_what_each_container_asks_of_it():
    entrypoint = (ROOT / "deploy" / "entrypoint").read_text()
    for container in containers(rendered("minimal")):
        does = re.search(rf"(?m)^    {container['args'][0]}\) (.+) ;;$", entrypoint)
        assert does, container["args"]
        for port in container.get("ports", []):
            assert does[1] == f"serve {container['name']} {port['containerPort']}"


@each_set
def test_services_budgets_and_autoscalers_are_of_one_deployment_each(name):
    objects = rendered(name)
    deployments = {name_of(each): each["spec"] for each in of_kind("Deployment", objects)}
    for kind in ("Service", "PodDisruptionBudget"):
        for found in of_kind(kind, objects):
            chosen = [each for each in pods(objects) if selects(found["spec"]["selector"], each)]
            assert chosen == [deployments[name_of(found)]["template"]]
    for found in of_kind("HorizontalPodAutoscaler", objects):
        assert "replicas" not in deployments[found["spec"]["scaleTargetRef"]["name"]]


def test_a_fixed_count_of_pods_leaves_the_autoscaler_out():
    objects = rendered("full")
    assert only("Deployment", objects, "-api")["spec"]["replicas"] == 3
    assert [name_of(each) for each in of_kind("HorizontalPodAutoscaler", objects)] == [
        "health-processor"
    ]


@each_set
def test_pods_of_a_rollout_are_added_before_any_is_taken(name):
    for found in of_kind("Deployment", rendered(name)):
        assert found["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize(
    "change", ["settings.LOG_LEVEL=debug", "secrets.values.METRICS_TOKEN=another-invented-token"]
)
def test_a_changed_setting_or_secret_rolls_the_pods(change):
    before, after = rendered("full"), rendered("full", "--set", change)
    for component in ("api", "processor"):
        assert checksum(component, before) != checksum(component, after)


def checksum(component, objects):
    return pod_of(component, objects)["metadata"]["annotations"]["checksum/config"]


# Settings and secrets -------------------------------------------------------------------------


@pytest.mark.parametrize("component", ["api", "processor"])
def test_the_settings_start_with_what_the_chart_gives(component):
    given = environment_of(component, rendered("full"))
    assert given["SERVICE"] == component
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    started = subprocess.run(
        [sys.executable, "-c", "import myhealth.settings"],
        cwd=ROOT, env=kept | given, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert started.returncode == 0, started.stderr


@each_set
def test_every_variable_is_one_that_something_reads(name):
    settings = (ROOT / "myhealth" / "settings.py").read_text()
    # The image's entry point, PostgreSQL's library and AWS' own read these.
    others = {"WORKERS", "THREADS", "PGSSLROOTCERT", "AWS_DEFAULT_REGION"}
    for container in containers(rendered(name)):
        for entry in container["env"]:
            assert entry["name"] in others or f'"{entry["name"]}"' in settings, entry["name"]


def test_no_secret_stands_outside_a_secret():
    secrets = yaml.safe_load(values_of("full").read_text())["secrets"]["values"].values()
    others = [each for each in rendered("full") if each["kind"] != "Secret"]
    assert not [value for value in secrets if value in json.dumps(others)]


@each_set
def test_no_secret_is_given_as_a_literal(name):
    for container in containers(rendered(name)):
        for entry in container["env"]:
            assert "valueFrom" in entry or not SECRET_NAME.search(entry["name"])


def test_each_process_is_given_the_secrets_that_it_needs_alone():
    given = {
        component_of(pod): {
            entry["name"]
            for entry in pod["spec"]["containers"][0]["env"]
            if "valueFrom" in entry and not entry["valueFrom"]["secretKeyRef"].get("optional")
        }
        for pod in pods(rendered("minimal"))
    }
    assert given == {
        "api": {"SECRET_KEY", "JWT_SECRET", "DB_PASSWORD", "CONTROL_TOKENS"},
        "processor": {"SECRET_KEY", "DB_PASSWORD", "INGEST_TOKENS", "CONTROL_TOKENS"},
        "collector": {"INGEST_TOKENS", "OURA_API_KEY"},
        "migrations": {"DB_PASSWORD"},
    }


def test_with_aws_the_processes_read_the_secret_themselves_by_their_role():
    objects = rendered("aws")
    for pod in pods(objects):
        container = pod["spec"]["containers"][0]
        assert {"name": "AWS_SECRETS_ID", "value": "production/myhealth"} in container["env"]
        account = only("ServiceAccount", objects, pod["spec"]["serviceAccountName"])
        assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:")
    assert not of_kind("Secret", objects)


# The migration and the collection -------------------------------------------------------------


@each_set
def test_what_the_migration_needs_is_there_before_it(name):
    objects = rendered(name)
    job = only("Job", objects)
    needed = needs(job["spec"]["template"])
    for found in objects:
        made = found["kind"], name_of(found)
        if found["kind"] == "ExternalSecret":
            made = "Secret", found["spec"]["target"]["name"]
        if made in needed:
            assert hook_weight(found) is not None, made
            assert hook_weight(found) < hook_weight(job)
    assert ("ServiceAccount", name_of(job)) in needed


def needs(pod):
    """What a pod can't start without, as kind and name."""
    spec = pod["spec"]
    found = {("ServiceAccount", spec["serviceAccountName"])}
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            found.add(("ConfigMap", source["configMapRef"]["name"]))
        for entry in container["env"]:
            if "valueFrom" in entry:
                found.add(("Secret", entry["valueFrom"]["secretKeyRef"]["name"]))
    return found


@each_set
def test_every_service_account_that_a_pod_names_exists(name):
    objects = rendered(name)
    accounts = {name_of(each) for each in of_kind("ServiceAccount", objects)}
    assert {pod["spec"]["serviceAccountName"] for pod in pods(objects)} == accounts


def test_a_migration_is_run_by_one_pod_at_a_time_and_replaces_the_last_one():
    job = only("Job", rendered("minimal"))
    assert job["spec"]["parallelism"] == job["spec"]["completions"] == 1
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    policy = job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert policy == "before-hook-creation"


def test_collections_never_overlap():
    assert only("CronJob", rendered("minimal"))["spec"]["concurrencyPolicy"] == "Forbid"


def test_shards_are_the_indices_of_one_job():
    job = only("CronJob", rendered("full"))["spec"]["jobTemplate"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 4, 4)
    assert job["backoffLimitPerIndex"] == 2
    assert container_of("collector", rendered("full"))["args"] == [
        "collect", "--shard=$(JOB_COMPLETION_INDEX)/4", "--type", "sleep", "readiness",
    ]  # fmt: skip


def test_a_collection_by_one_pod_has_no_shards():
    job = only("CronJob", rendered("minimal"))["spec"]["jobTemplate"]["spec"]
    assert "completionMode" not in job
    assert container_of("collector", rendered("minimal"))["args"] == ["collect"]


# The network ----------------------------------------------------------------------------------


@each_set
def test_every_pod_is_closed_and_has_a_policy_of_its_own(name):
    objects = rendered(name)
    for pod in pods(objects):
        chosen = [
            each["spec"]
            for each in of_kind("NetworkPolicy", objects)
            if selects(each["spec"]["podSelector"], pod)
        ]
        closed = [each for each in chosen if not {"ingress", "egress"} & each.keys()]
        assert len(closed) == 1
        assert len(chosen) == 2
        assert all(set(each["policyTypes"]) == {"Ingress", "Egress"} for each in chosen)


@pytest.mark.parametrize(
    ("name", "arrows"),
    [
        ("minimal", {("api", 8001), ("api", 5432), ("processor", 5432), ("collector", 8001),
                     ("collector", 443), ("migrations", 5432)}),
        ("full", {("api", 8001), ("api", 5432), ("api", 443), ("api", 587), ("processor", 5432),
                  ("collector", 8001), ("collector", 443), ("collector", 5432),
                  ("collector", 9091), ("migrations", 5432)}),
    ],
)  # fmt: skip
def test_traffic_leaves_by_the_designs_arrows_alone(name, arrows):
    leaving = {
        (component_of(policy), port["port"])
        for policy in of_kind("NetworkPolicy", rendered(name))
        for rule in policy["spec"].get("egress", [])
        for port in rule["ports"]
    }
    assert {arrow for arrow in leaving if arrow[1] != 53} == arrows


def test_the_processor_hears_collector_api_and_prometheus_alone():
    policy = only("NetworkPolicy", rendered("minimal"), "-processor")
    peers = [peer for rule in policy["spec"]["ingress"] for peer in rule["from"]]
    callers = [each["podSelector"]["matchLabels"] for each in peers if "podSelector" in each]
    assert {each["app.kubernetes.io/component"] for each in callers} == {"collector", "api"}
    outside = [each["namespaceSelector"] for each in peers if "namespaceSelector" in each]
    assert outside == [{"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}]


@each_set
def test_nothing_from_outside_leads_to_the_processor(name):
    routes = [
        each for kind in ("Ingress", "HTTPRoute", "VirtualService")
        for each in of_kind(kind, rendered(name))
    ]  # fmt: skip
    assert routes
    for route in routes:
        assert "health-myhealth-api" in json.dumps(route) or "health-api" in json.dumps(route)
        assert "processor" not in json.dumps(route)


def public_paths(objects):
    """What is routed from outside, as pairs of path and whether what begins with it is, too."""
    for found in of_kind("Ingress", objects):
        for path in found["spec"]["rules"][0]["http"]["paths"]:
            yield path["path"], path["pathType"] == "Prefix"
    for found in of_kind("HTTPRoute", objects):
        for match in found["spec"]["rules"][0]["matches"]:
            yield match["path"]["value"], match["path"]["type"] == "PathPrefix"
    for found in of_kind("VirtualService", objects):
        for match in found["spec"]["http"][0]["match"]:
            ((kind, value),) = match["uri"].items()
            yield value.rstrip("/") or "/", kind == "prefix"


def led_to(path, routes):
    return any(
        path == route or (longer and path.startswith(f"{route}/")) for route, longer in routes
    )


routed = pytest.mark.parametrize("name", ["minimal", "gateway", "istio"])


@routed
@pytest.mark.parametrize("path", ["/metrics", "/health/ready", "/metrics/"])
def test_what_operators_see_is_not_reached_from_outside(name, path):
    assert not led_to(path, list(public_paths(rendered(name))))


@routed
def test_every_route_of_the_api_is_reached_from_outside(name):
    from accounts.urls import urlpatterns as accounts
    from dashboard.urls import urlpatterns as dashboard

    routes = list(public_paths(rendered(name)))
    missed = [
        path for path in (f"/{pattern.pattern}" for pattern in [*accounts, *dashboard])
        if not led_to(path, routes)
    ]  # fmt: skip
    assert not missed


# Istio ----------------------------------------------------------------------------------------


def test_in_the_mesh_only_mutual_tls_is_spoken():
    policy = only("PeerAuthentication", rendered("istio"))["spec"]
    assert policy["mtls"] == {"mode": "STRICT"}
    assert all(selects(policy["selector"], pod) for pod in pods(rendered("istio")))


def test_in_the_mesh_nothing_is_allowed_but_by_name():
    policies = of_kind("AuthorizationPolicy", rendered("istio"))
    closed = [each for each in policies if "rules" not in each["spec"]]
    assert len(closed) == 1
    assert all(selects(closed[0]["spec"]["selector"], pod) for pod in pods(rendered("istio")))


def test_in_the_mesh_each_caller_reaches_its_own_routes_of_the_processor():
    policy = only("AuthorizationPolicy", rendered("istio"), "-processor")
    allowed = {
        (rule["from"][0]["source"]["principals"][0].rpartition("/")[2], path)
        for rule in policy["spec"]["rules"]
        for to in rule["to"]
        for path in to["operation"]["paths"]
    }
    assert allowed == {
        ("health-myhealth-collector", "/api/v1/ingest"),
        ("health-myhealth-collector", "/api/v1/metrics/*"),
        ("health-myhealth-collector", "/api/v1/reports"),
        ("health-myhealth-collector", "/api/v1/runs"),
        ("health-myhealth-api", "/api/v1/rejected/*"),
        ("health-myhealth-api", "/api/v1/people/*"),
        ("prometheus", "/metrics"),
    }


def test_in_the_mesh_the_collectors_sidecar_ends_with_it_and_the_migration_has_none():
    collector = pod_of("collector", rendered("istio"))["metadata"]
    assert collector["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"
    migrations = pod_of("migrations", rendered("istio"))["metadata"]
    assert migrations["labels"]["sidecar.istio.io/inject"] == "false"


def test_in_the_mesh_the_sidecar_is_a_trusted_proxy():
    environment = {entry["name"]: entry.get("value") for entry in api_environment("istio")}
    assert environment["TRUSTED_PROXIES"].split(",") == ["10.0.0.0/8", "127.0.0.6/32"]


def api_environment(name):
    return container_of("api", rendered(name))["env"]


# Monitoring -----------------------------------------------------------------------------------


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
def test_every_alert_says_how_bad_it_is_and_what_to_do(path):
    for rule in rules_of(path):
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_chart_carries_the_rules_as_they_are():
    carried = [each["spec"] for each in of_kind("PrometheusRule", rendered("full"))]
    assert carried == [yaml.safe_load(path.read_text()) for path in RULES]


def test_the_chart_carries_the_dashboards_as_they_are():
    carried = only("ConfigMap", rendered("full"), "-dashboards")["data"]
    assert carried == {path.name: path.read_text() for path in DASHBOARDS}


def test_scraped_labels_keep_their_names_and_jobs_those_of_the_rules():
    monitors = of_kind("ServiceMonitor", rendered("full"))
    endpoints = [each["spec"]["endpoints"][0] for each in monitors]
    assert all(endpoint["honorLabels"] for endpoint in endpoints)
    jobs = {endpoint["relabelings"][0]["replacement"] for endpoint in endpoints}
    assert jobs == {"myhealth-api", "myhealth-processor"}


def test_prometheus_is_given_the_token_that_the_pods_ask_for():
    for monitor in of_kind("ServiceMonitor", rendered("external-secrets")):
        asked = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
        wanted = {"name": "METRICS_TOKEN", "valueFrom": {"secretKeyRef": asked}}
        assert wanted in container_of("api", rendered("external-secrets"))["env"]
