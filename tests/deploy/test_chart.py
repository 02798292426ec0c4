"""The Helm chart, for each set of values in its folder ci/.

No cluster can be had here: what a cluster would check, schemas and assertions of our own do.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import certifi
import kubernetes_validate
import pytest
import yaml

from myhealth import __version__
from myhealth.secret_settings import needed_secrets
from tests.deploy.charts import (
    CHART,
    ROOT,
    SETS,
    component_of,
    container_of,
    containers,
    each_set,
    environment_of,
    hook_weight,
    name_of,
    of_kind,
    only,
    pod_of,
    pods,
    rendered,
    run,
    selects,
    template,
    values_of,
)
from tests.scale import full_only

# Their definitions come with an operator, not with Kubernetes.
CUSTOM = {
    "AuthorizationPolicy",
    "BackendTrafficPolicy",
    "EnvoyFilter",
    "ExternalSecret",
    "Gateway",
    "HTTPRoute",
    "PeerAuthentication",
    "PrometheusRule",
    "ServiceMonitor",
    "VirtualService",
}
SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET_KEY|JWT_SECRET|API_KEY|CLIENT_SECRET|EMAIL_URL")


# Rendering ------------------------------------------------------------------------------------


@each_set
def test_helm_finds_nothing_to_complain_about(name):
    answer = run("helm", "lint", "--strict", CHART, "-f", values_of(name))
    assert answer.returncode == 0, answer.stdout + answer.stderr


@full_only
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
    for value in (
        "publicUrl",
        "database.host",
        "api.trustedProxies",
        "secrets needs",
        "networkPolicy.database",
    ):
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
        ("api.resources.limits.memory=null", "missing property 'memory'"),
        ("settings.DB_SSLROOTCERT=/ca.crt", "DB_SSLROOTCERT"),
        ("database.sslMode=maybe", "/database/sslMode"),
        ("database.sslMode=verify-ca", "database.ca"),
        ("database.sslMode=require,database.ca.secret=ca", "verify-full"),
        ("database.ca.secret=ca,database.ca.configMap=ca", "not both"),
        ("networkPolicy.database=null", "networkPolicy.database"),
        ("secrets.existingSecret=,secrets.aws.secretId=a", "networkPolicy.aws"),
        ("istio.enabled=true,processor.tls.secretName=tls", "processor.tls"),
        ("publicPaths[0].path=/metrics,publicPaths[0].type=Exact", "/publicPaths/0"),
        ("publicPaths[0].path=/,publicPaths[0].type=Prefix", "/publicPaths/0"),
        ("secrets.values.SECRET_KEY=short", "/secrets/values/SECRET_KEY"),
        ("secrets.aws.secretId=two-sources", "exactly one source, not 2"),
        ("collector.shards=2", "oura.connections"),
        ("httpRoute.enabled=true", "httpRoute.parentRefs"),
        ("istio.enabled=true", "istio.gateway"),
        ("api.autoscaling.min=9", "autoscaling.min"),
        ("api.threads=1", "/api/threads"),
        ("processor.threads=1", "/processor/threads"),
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
        assert kinds <= {"emptyDir", "configMap", "secret"}


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
            assert container["resources"][bound].keys() == {"cpu", "memory", "ephemeral-storage"}


@each_set
def test_temporary_files_fit_into_storage_of_pod(name):
    for pod in pods(rendered(name)):
        (size,) = (
            each["emptyDir"]["sizeLimit"] for each in pod["spec"]["volumes"] if "emptyDir" in each
        )
        (container,) = pod["spec"]["containers"]
        storage = container["resources"]["limits"]["ephemeral-storage"]
        assert int(size.removesuffix("Mi")) < int(storage.removesuffix("Mi"))


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
    # Files that are mounted in the pod.
    for name, value in given.items():
        if value.startswith("/etc/myhealth/"):
            given[name] = certifi.where()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    started = subprocess.run(
        [sys.executable, "-c", "import myhealth.settings"],
        cwd=ROOT, env=kept | given, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert started.returncode == 0, started.stderr


@each_set
def test_every_variable_is_one_that_something_reads(name):
    settings = (ROOT / "myhealth" / "settings.py").read_text()
    # The image's entry point, its server and AWS' library read these.
    others = {
        "WORKERS",
        "THREADS",
        "GRANIAN_SSL_CERTIFICATE",
        "GRANIAN_SSL_KEYFILE",
        "AWS_DEFAULT_REGION",
    }
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
        "api": {"SECRET_KEY", "JWT_SECRET", "DB_PASSWORD", "CONTROL_TOKENS", "METRICS_TOKEN"},
        "processor": {
            "SECRET_KEY",
            "DB_PASSWORD",
            "INGEST_TOKENS",
            "CONTROL_TOKENS",
            "METRICS_TOKEN",
        },
        "collector": {"INGEST_TOKENS", "OURA_API_KEY"},
        "migrations": {"DB_PASSWORD"},
    }


def test_with_aws_processes_read_secret_by_their_role():
    objects = rendered("aws")
    for pod in pods(objects):
        container = pod["spec"]["containers"][0]
        assert {"name": "AWS_SECRETS_ID", "value": "production/myhealth"} in container["env"]
        account = only("ServiceAccount", objects, pod["spec"]["serviceAccountName"])
        assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:")
    assert [name_of(each) for each in of_kind("Secret", objects)] == ["health-myhealth-metrics"]


@pytest.mark.parametrize(
    ("component", "process"),
    [
        ("api", "api"),
        ("processor", "processor"),
        ("collector", "collect_oura"),
        ("migrations", "migrate"),
    ],
)
def test_process_takes_from_aws_what_other_sources_give(monkeypatch, component, process):
    container = container_of(component, rendered("full"))
    given = {entry["name"] for entry in container["env"] if "valueFrom" in entry}
    monkeypatch.setenv("DB_HOST", "postgres.example.org")
    monkeypatch.setenv("SERVICE", process if component == process else "")
    monkeypatch.setattr(sys, "argv", ["manage.py", process])
    assert needed_secrets() == given


def environment_names(component, objects):
    return {entry["name"]: entry.get("value") for entry in container_of(component, objects)["env"]}


def mounted(component, objects):
    """The keys of each Secret and ConfigMap that a component's pod mounts."""
    found = {}
    for volume in pod_of(component, objects)["spec"]["volumes"]:
        for kind in ("secret", "configMap"):
            if kind in volume:
                source = volume[kind]
                name = source.get("secretName") or source["name"]
                found[name] = {item["key"] for item in source.get("items", [])}
    return found


def test_database_is_verified_by_default():
    for component in ("api", "processor", "migrations"):
        assert environment_names(component, rendered("minimal"))["DB_SSLMODE"] == "verify-full"


def test_database_authority_can_come_from_secret():
    objects = rendered("minimal", "--set", "database.ca.secret=postgres-ca")
    for component in ("api", "processor", "migrations"):
        file = environment_names(component, objects)["DB_SSLROOTCERT"]
        assert file == "/etc/myhealth/database/ca.crt"
        assert mounted(component, objects) == {"postgres-ca": {"ca.crt"}}


def test_certificates_for_oura_come_from_config_map():
    objects = rendered("minimal", "--set", "oura.ca.configMap=company-ca")
    for component in ("api", "collector"):
        file = environment_names(component, objects)["OURA_CA_BUNDLE"]
        assert file == "/etc/myhealth/oura/ca.crt"
        assert "company-ca" in mounted(component, objects)
    for component in ("processor", "migrations"):
        assert "OURA_CA_BUNDLE" not in environment_names(component, objects)


def test_processor_with_tls_is_reached_by_https_only():
    objects = rendered("full")
    container = container_of("processor", objects)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"
    service = only("Service", objects, "-processor")["spec"]
    assert service["ports"][0]["appProtocol"] == "https"
    for component in ("api", "collector"):
        environment = environment_names(component, objects)
        assert environment["PROCESSOR_URL"] == "https://health-processor:8001"
        assert environment["PROCESSOR_CA_BUNDLE"] == "/etc/myhealth/processor/ca.crt"


def test_processor_alone_gets_key_of_its_certificate():
    objects, name = rendered("full"), "health-processor-tls"
    assert mounted("processor", objects)[name] == {"tls.crt", "tls.key"}
    assert mounted("api", objects)[name] == mounted("collector", objects)[name] == {"ca.crt"}
    assert name not in mounted("migrations", objects)


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


def test_one_pod_runs_migration_and_replaces_earlier_one():
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


def test_chart_installs_this_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


# The schedule ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "CRON_TZ=Etc/UTC 17 * * * *"),
        (["--set", "collector.timeZone=Asia/Kolkata"], "CRON_TZ=Asia/Kolkata 17 * * * *"),
        (["--set", "collector.enabled=false"], "elsewhere"),
    ],
)
def test_api_knows_when_the_collector_runs(options, expected):
    entries = container_of("api", rendered("minimal", *options))["env"]
    given = {entry["name"]: entry.get("value") for entry in entries}
    assert given["COLLECT_SCHEDULE"] == expected
