"""The Helm chart's network: policies, what is reached from outside, and Istio."""

import json

import pytest

from tests.deploy.charts import (
    component_of,
    container_of,
    each_set,
    of_kind,
    only,
    pod_of,
    pods,
    rendered,
    selects,
)

# The network ----------------------------------------------------------------------------------


@each_set
def test_every_pod_is_restricted_by_its_own_policy(name):
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


def test_proxy_on_the_way_to_oura_has_its_own_port():
    objects = rendered("full", "--set", "networkPolicy.ouraPort=3128")
    leaving = {
        (component_of(policy), port["port"])
        for policy in of_kind("NetworkPolicy", objects)
        for rule in policy["spec"].get("egress", [])
        for port in rule["ports"]
    }
    assert {("api", 3128), ("collector", 3128)} <= leaving
    assert not {("api", 443), ("collector", 443)} & leaving


def test_the_processor_hears_collector_api_and_prometheus_alone():
    policy = only("NetworkPolicy", rendered("minimal"), "-processor")
    peers = [peer for rule in policy["spec"]["ingress"] for peer in rule["from"]]
    inside = [
        each["podSelector"]["matchLabels"] for each in peers if "namespaceSelector" not in each
    ]
    assert {each["app.kubernetes.io/component"] for each in inside} == {"collector", "api"}
    outside = [each for each in peers if "namespaceSelector" in each]
    assert [each["namespaceSelector"]["matchLabels"] for each in outside] == [
        {"kubernetes.io/metadata.name": "monitoring"}
    ]


@each_set
def test_every_rule_names_its_ports_and_peers(name):
    for policy in of_kind("NetworkPolicy", rendered(name)):
        rules = [(rule, "from") for rule in policy["spec"].get("ingress", [])]
        rules += [(rule, "to") for rule in policy["spec"].get("egress", [])]
        for rule, peers in rules:
            assert rule["ports"]
            anywhere = [5432] if name == "gateway" else []
            assert rule.get(peers) or [port["port"] for port in rule["ports"]] == anywhere


def test_other_namespaces_reach_pods_only_from_named_ones():
    for policy in of_kind("NetworkPolicy", rendered("minimal")):
        for rule in policy["spec"].get("ingress", []):
            for peer in rule["from"]:
                assert peer["podSelector"]["matchLabels"], peer


def test_names_are_asked_of_cluster_dns_alone():
    for policy in of_kind("NetworkPolicy", rendered("minimal")):
        for rule in policy["spec"].get("egress", []):
            if rule["ports"][0]["port"] == 53:
                (peer,) = rule["to"]
                assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


@pytest.mark.parametrize("kind", ["ingressController", "prometheus", "oura", "dns"])
def test_empty_list_of_peers_allows_nobody(kind):
    before, after = (
        [
            (rule, policy["metadata"]["name"])
            for policy in of_kind("NetworkPolicy", objects)
            for way in ("ingress", "egress")
            for rule in policy["spec"].get(way) or []
        ]
        for objects in (rendered("full"), rendered("full", "--set", f"networkPolicy.{kind}=null"))
    )
    assert len(after) < len(before)
    assert all(rule in before for rule in after)


# Header names with underscores ------------------------------------------------------------------

ALIASES = {
    f"{prefix}Forwarded{infix}{name}"
    for name in ("For", "Proto")
    for prefix, infix in (("X_", "_"), ("X-", "_"), ("X_", "-"))
}


def test_gateway_removes_aliases_of_its_headers():
    rule = only("HTTPRoute", rendered("gateway"))["spec"]["rules"][0]
    assert set(rule["filters"][0]["requestHeaderModifier"]["remove"]) == ALIASES


@pytest.mark.parametrize("own", ["", "idle_timeout.timeout_seconds=30"])
def test_aws_load_balancer_drops_invalid_header_names(own):
    key = "alb.ingress.kubernetes.io/load-balancer-attributes"
    option = key.replace(".", "\\.")
    options = ["--set-string", f"ingress.annotations.{option}={own}"] if own else []
    attributes = only("Ingress", rendered("aws", *options))["metadata"]["annotations"][key].split(
        ","
    )
    assert attributes == [
        *filter(None, [own]),
        "routing.http.drop_invalid_header_fields.enabled=true",
    ]


def test_sidecar_drops_aliases_and_buffers_bodies():
    found = only("EnvoyFilter", rendered("istio"))["spec"]
    assert selects(found["workloadSelector"]["labels"], pod_of("api", rendered("istio")))
    names, bodies = (each["patch"]["value"]["typed_config"] for each in found["configPatches"])
    action = names["common_http_protocol_options"]["headers_with_underscores_action"]
    assert action == "DROP_HEADER"
    assert bodies["max_request_bytes"] == 16 * 1024


def test_envoy_gateway_buffers_bodies_of_our_route():
    policy = only("BackendTrafficPolicy", rendered("gateway"))["spec"]
    route = only("HTTPRoute", rendered("gateway"))
    assert [each["name"] for each in policy["targetRefs"]] == [route["metadata"]["name"]]
    assert policy["requestBuffer"] == {"limit": "16Ki"}


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


def test_in_mesh_caller_reaches_only_its_processor_routes():
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


def test_in_mesh_collector_ends_its_sidecar_and_migration_has_none():
    collector = pod_of("collector", rendered("istio"))["metadata"]
    assert collector["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"
    migrations = pod_of("migrations", rendered("istio"))["metadata"]
    assert migrations["labels"]["sidecar.istio.io/inject"] == "false"


def test_in_the_mesh_the_sidecar_is_a_trusted_proxy():
    environment = {entry["name"]: entry.get("value") for entry in api_environment("istio")}
    assert environment["TRUSTED_PROXIES"].split(",") == ["10.0.0.0/8", "127.0.0.6/32"]


def api_environment(name):
    return container_of("api", rendered(name))["env"]
