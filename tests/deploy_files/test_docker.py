import fnmatch
import re
import sys
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from parties.node.party_file import FLOWER_PORT, HEALTH_PORT, HUB_PORT
from tests.deploy_files.files import (
    COMPOSE,
    DOCKERFILE,
    NODE_UID,
    PARTIES,
    ROOT,
    documents,
    instructions,
    lint,
    run,
)

IGNORE = DOCKERFILE.with_name("Dockerfile.dockerignore")
[PROJECT] = documents(COMPOSE)
SERVICES = PROJECT["services"]


def values(word: str) -> list[str]:
    return [rest for kind, rest in instructions(DOCKERFILE) if kind == word]


def constraint(package: str) -> str:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(package)}==(.*)$", text, re.MULTILINE)
    assert found
    return found[1]


def test_the_base_image_is_pinned_by_version_and_digest() -> None:
    images = dict(value.split("=", 1) for value in values("ARG"))
    base = images["PYTHON_IMAGE"]
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert {value.split()[0] for value in values("FROM")} == {"${PYTHON_IMAGE}"}


def test_the_images_python_is_the_one_that_the_constraints_were_resolved_for() -> None:
    head = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[0]
    [version] = re.findall(r"Python (\d+\.\d+)", head)
    assert f"python:{version}." in values("ARG")[0]
    assert sys.version_info >= tuple(map(int, version.split(".")))


def test_torch_comes_first_from_its_cpu_index_and_at_the_pinned_version() -> None:
    runs = "\n".join(values("RUN"))
    pin = f"torch=={constraint('torch')}"
    assert f'--index-url "${{TORCH_INDEX}}" {pin}' in runs
    assert runs.index(pin) < runs.index("--constraint constraints.txt .")
    assert any(
        value.startswith("TORCH_INDEX=") and value.endswith("/cpu") for value in values("ARG")
    )


def test_the_image_runs_as_a_user_who_owns_nothing_but_the_state() -> None:
    assert values("USER") == [f"{NODE_UID}:{NODE_UID}"]
    words = [word for word, _ in instructions(DOCKERFILE)]
    assert words.index("USER") > max(n for n, word in enumerate(words) if word in ("RUN", "COPY"))
    assert not [value for value in values("COPY") if "--chown" in value]
    assert values("VOLUME") == ['["/var/lib/fedrecall"]']


def test_signals_reach_the_supervisor_through_an_init() -> None:
    assert values("ENTRYPOINT") == ['["tini", "--", "fedrecall"]']
    assert values("CMD")[-1].startswith("[")
    assert values("STOPSIGNAL") == ["SIGTERM"]


def test_the_image_is_asked_for_its_health_on_loopback() -> None:
    [check] = values("HEALTHCHECK")
    assert f"http://127.0.0.1:{HEALTH_PORT}/healthz" in check


def test_only_the_packages_and_what_builds_them_can_get_into_a_layer() -> None:
    rules = [line for line in IGNORE.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    sources = {
        source
        for value in values("COPY")
        if "--from" not in value
        for source in value.split()[:-1]
    }
    assert allowed == sources
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert {name for name in packages if "." not in name} <= allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_every_file_that_the_packages_read_is_installed_with_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = project["tool"]["setuptools"]["package-data"]
    listed = run(["git", "-C", str(ROOT), "ls-files", "--", *declared]).stdout.splitlines()
    data = [Path(name) for name in listed if not name.endswith((".py", ".md"))]
    assert Path("federation/exchange/app/pyproject.toml") in data
    for path in data:
        package, inside = path.parts[0], Path(*path.parts[1:])
        matching = [found for rule in declared[package] for found in (ROOT / package).glob(rule)]
        assert ROOT / package / inside in matching, f"{path} is missing in package-data"


@pytest.mark.parametrize(
    "name", ["parties/keys/exchange.key", "parties/keys/tls.key", "simulations/authority.pem"]
)
def test_a_key_left_among_the_sources_does_not_get_into_a_layer(name: str) -> None:
    rules = [rule for rule in IGNORE.read_text(encoding="utf-8").splitlines() if rule[:2] == "**"]
    assert any(
        fnmatch.fnmatch(name, rule) or PurePosixPath(name).match(rule.removeprefix("**/"))
        for rule in rules
    )


def test_hadolint_finds_nothing() -> None:
    done = lint("hadolint", str(DOCKERFILE))
    assert done.returncode == 0, done.stdout


def test_compose_follows_its_schema() -> None:
    done = lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))
    assert done.returncode == 0, done.stdout


def test_every_party_is_a_service() -> None:
    assert tuple(SERVICES) == PARTIES


@pytest.mark.parametrize("name", PARTIES)
def test_a_service_has_no_privilege_and_a_read_only_root(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == f"{NODE_UID}:{NODE_UID}"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert all("noexec" in mount for mount in service["tmpfs"])


@pytest.mark.parametrize("name", PARTIES)
def test_a_service_has_limits_and_no_swap(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"] == service["memswap_limit"]
    assert service["pids_limit"]
    assert service["cpus"]
    assert service["ulimits"]["core"] == 0


@pytest.mark.parametrize("name", PARTIES)
def test_a_service_sees_its_own_settings_read_only_and_its_own_state(name: str) -> None:
    assert SERVICES[name]["volumes"] == [
        f"./{name}:/etc/fedrecall:ro",
        f"{name}-state:/var/lib/fedrecall",
    ]
    assert f"{name}-state" in PROJECT["volumes"]


def test_no_party_shares_a_network_with_another_but_with_the_coordinator() -> None:
    hub = set(SERVICES["coordinator"]["networks"])
    for name in PARTIES[1:]:
        [network] = SERVICES[name]["networks"]
        assert network in hub
        assert PROJECT["networks"][network] == {"internal": True}
        sharing = [other for other in PARTIES if network in SERVICES[other]["networks"]]
        assert sharing == ["coordinator", name]


def test_the_coordinator_alone_is_reachable_and_only_at_its_two_ports() -> None:
    ports = {name: service.get("ports") for name, service in SERVICES.items()}
    assert ports.pop("coordinator") == [f"{port}:{port}" for port in (FLOWER_PORT, HUB_PORT)]
    assert set(ports.values()) == {None}


def test_no_image_is_the_latest_and_none_is_pulled_unseen() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for service in SERVICES.values():
        assert service["image"] == f"fedrecall:{project['version']}"
        assert service["pull_policy"] == "never"


def test_a_container_gets_the_time_to_stop_that_the_unit_gives() -> None:
    assert {service["stop_grace_period"] for service in SERVICES.values()} == {"90s"}
