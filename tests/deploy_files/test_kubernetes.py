import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from parties.node.children import ChildState, ChildStatus
from parties.node.health import health_server
from parties.node.party_file import FLOWER_PORT, HEALTH_PORT, HUB_PORT, read_party_file
from parties.node.status import NodeStatus
from parties.role import Role
from tests.deploy_files.files import (
    KUBERNETES,
    NODE_UID,
    PARTIES,
    document,
    documents,
    lint,
    run,
)

BASE = KUBERNETES / "base"
NODE = document(BASE / "node.yaml", "StatefulSet")["spec"]
POD = NODE["template"]["spec"]
[MAIN] = POD["containers"]
[COPIER] = POD["initContainers"]
DIALLERS = PARTIES[1:]
PARTY_POLICY = document(KUBERNETES / "party" / "network-policy.yaml", "NetworkPolicy")["spec"]
HUB_POLICY = document(KUBERNETES / "coordinator" / "network-policy.yaml", "NetworkPolicy")["spec"]
SERVICE = document(KUBERNETES / "coordinator" / "service.yaml", "Service")["spec"]


def ports(rule: dict[str, Any]) -> list[tuple[str, int]]:
    return [(each["protocol"], each["port"]) for each in rule["ports"]]


def mounts(container: dict[str, Any]) -> dict[str, str]:
    return {each["mountPath"]: each["name"] for each in container["volumeMounts"]}


@pytest.mark.parametrize("container", [MAIN, COPIER], ids=lambda each: each["name"])
def test_a_container_has_no_privilege_and_a_read_only_root(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}


def test_the_pod_is_no_root_and_has_no_token() -> None:
    context = POD["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == NODE_UID
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False
    account = document(BASE / "service-account.yaml", "ServiceAccount")
    assert account["automountServiceAccountToken"] is False


def test_the_namespace_lets_nothing_in_that_has_more() -> None:
    labels = document(BASE / "namespace.yaml", "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_node_sees_a_copy_of_the_keys_and_never_the_secret() -> None:
    volumes = {each["name"]: each for each in POD["volumes"]}
    secrets = [name for name, volume in volumes.items() if "secret" in volume]
    assert secrets == ["secret"]
    assert set(secrets).isdisjoint(mounts(MAIN).values())
    assert mounts(COPIER) == {"/run/secret": "secret", "/run/fedrecall": "keys"}
    assert volumes["keys"]["emptyDir"]["medium"] == "Memory"
    assert next(each for each in MAIN["volumeMounts"] if each["name"] == "keys")["readOnly"]


def test_the_copy_of_the_keys_is_as_closed_as_the_program_wants_it() -> None:
    script = COPIER["command"][-1]
    assert "umask 077" in script
    assert "install -d -m 0700 /run/fedrecall/keys" in script
    assert "install -m 0600 /run/secret/* /run/fedrecall/keys/" in script


def test_a_start_does_not_open_old_state_to_the_group() -> None:
    assert POD["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_two_pods_never_share_one_identity() -> None:
    assert NODE["replicas"] == 1
    [claim] = NODE["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def asks(probe: str, port: int) -> int:
    """The exit code of a probe's command, asked of another port than the node's."""
    python, option, program = MAIN[probe]["exec"]["command"]
    assert (python, option) == ("python", "-c")
    assert "127.0.0.1" in program
    assert str(HEALTH_PORT) in program
    return run([sys.executable, "-c", program.replace(str(HEALTH_PORT), str(port))]).returncode


def status_of(state: ChildState) -> NodeStatus:
    child = ChildStatus(name="supernode", state=state, pid=None, restarts=1, since=0.0, code=1)
    return NodeStatus(
        party="social", role="partner", pid=1, started=0.0, written=0.0, children=(child,)
    )


@pytest.mark.parametrize(
    ("state", "ready"), [(ChildState.RUNNING, True), (ChildState.WAITING, False)]
)
def test_a_node_whose_process_is_down_is_alive_and_not_ready(
    state: ChildState, ready: bool
) -> None:
    with health_server(0, lambda: status_of(state)) as port:
        assert asks("startupProbe", port) == 0
        assert asks("livenessProbe", port) == 0
        assert (asks("readinessProbe", port) == 0) is ready


def test_a_node_that_does_not_answer_is_neither_alive_nor_ready() -> None:
    with health_server(0, lambda: status_of(ChildState.RUNNING)) as port:
        pass
    assert [asks(probe, port) for probe in ("livenessProbe", "readinessProbe")] == [1, 1]


def test_a_coordinator_that_is_not_ready_can_still_be_dialled() -> None:
    assert SERVICE["publishNotReadyAddresses"] is True


def test_a_pod_gets_the_time_to_stop_that_the_unit_gives() -> None:
    assert POD["terminationGracePeriodSeconds"] == 90


def test_an_eviction_waits_for_a_person() -> None:
    budget = document(BASE / "disruption-budget.yaml", "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 0
    assert budget["selector"] == NODE["selector"]


def test_nobody_may_connect_to_a_party_which_may_dial_the_coordinator_alone() -> None:
    assert PARTY_POLICY["podSelector"] == {}
    assert PARTY_POLICY["policyTypes"] == ["Ingress", "Egress"]
    assert PARTY_POLICY["ingress"] == []
    coordinator, resolver = PARTY_POLICY["egress"]
    assert ports(coordinator) == [("TCP", FLOWER_PORT), ("TCP", HUB_PORT)]
    assert coordinator["to"] == [{"ipBlock": {"cidr": "203.0.113.10/32"}}]
    assert ports(resolver) == [("UDP", 53), ("TCP", 53)]
    assert [each.keys() for each in resolver["to"]] == [{"namespaceSelector", "podSelector"}]


def test_the_coordinator_is_dialled_at_two_ports_and_dials_nobody() -> None:
    assert HUB_POLICY["podSelector"] == {}
    assert HUB_POLICY["policyTypes"] == ["Ingress", "Egress"]
    assert HUB_POLICY["egress"] == []
    [rule] = HUB_POLICY["ingress"]
    assert ports(rule) == [("TCP", FLOWER_PORT), ("TCP", HUB_PORT)]
    assert [each["port"] for each in SERVICE["ports"]] == [FLOWER_PORT, HUB_PORT]
    addresses = [each["ipBlock"]["cidr"] for each in rule["from"]]
    assert addresses == SERVICE["loadBalancerSourceRanges"]
    assert SERVICE["externalTrafficPolicy"] == "Local"


@pytest.mark.parametrize("name", PARTIES)
def test_a_partys_settings_are_taken_and_fit_the_mounts(name: str) -> None:
    settings = read_party_file(KUBERNETES / name / "party.toml")
    assert settings.name == name
    assert settings.health_port == HEALTH_PORT
    assert str(settings.keys.parent) in mounts(MAIN)
    assert str(settings.state.parent) in mounts(MAIN)
    assert settings.roster.name == "roster.toml"
    where = settings.coordinator or settings.listen
    assert where is not None
    assert (where.flower_port, where.hub_port) == (FLOWER_PORT, HUB_PORT)
    if settings.role is not Role.COORDINATOR:
        assert where.host == "203.0.113.10"


@pytest.mark.parametrize("name", PARTIES)
def test_a_party_has_a_namespace_and_settings_of_its_own(name: str) -> None:
    text = (KUBERNETES / name / "kustomization.yaml").read_text(encoding="utf-8")
    kustomization = yaml.safe_load(text)
    assert kustomization["namespace"] == f"fedrecall-{name}"
    [settings] = kustomization["configMapGenerator"]
    assert settings["files"] == ["party.toml", "roster.toml"]
    assert ("../party" in kustomization.get("components", [])) == (name in DIALLERS)


def test_no_manifest_holds_a_secret_or_takes_the_latest_image() -> None:
    for path in KUBERNETES.rglob("*.yaml"):
        assert all(each["kind"] != "Secret" for each in documents(path)), path
        assert "latest" not in path.read_text(encoding="utf-8"), path


@pytest.fixture(params=PARTIES)
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A party's manifests as kustomize puts them together."""
    folder = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    party = folder / request.param
    (party / "roster.toml").write_text("# from the key ceremony\n", encoding="utf-8")
    done = lint("kubectl", "kustomize", str(party))
    assert done.returncode == 0, done.stderr
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(done.stdout, encoding="utf-8")
    return manifests


def test_kustomize_puts_every_object_into_the_partys_namespace(built: Path) -> None:
    objects = documents(built)
    [namespace] = [each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"]
    others = [each["metadata"]["namespace"] for each in objects if each["kind"] != "Namespace"]
    assert set(others) == {namespace}


def test_kustomize_joins_the_pod_to_its_settings_and_data(built: Path) -> None:
    pod = document(built, "StatefulSet")["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    settings = document(built, "ConfigMap")
    assert volumes["settings"]["configMap"]["name"] == settings["metadata"]["name"]
    role = settings["data"]["party.toml"].splitlines()[1]
    assert ("data" in volumes) == ("coordinator" not in role)
    assert volumes["secret"]["secret"]["defaultMode"] == 0o440


def test_every_object_follows_the_schemas_of_kubernetes(built: Path) -> None:
    done = lint("kubernetes-validate", "--strict", str(built))
    assert done.returncode == 0, done.stdout + done.stderr
