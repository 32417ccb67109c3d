from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cli.main import lectorium
from jobs.settings import WORKER_KINDS, Settings
from tests.docker.files import DOCKER, MANIFESTS, read_yaml, settings_in

FOLDER = DOCKER / "kubernetes"
OBJECTS = [thing for path in MANIFESTS for thing in read_yaml(path)]
BUILT_IN = [thing for thing in OBJECTS if "keda.sh" not in thing["apiVersion"]]
WITH_PODS = [thing for thing in OBJECTS if thing["kind"] in {"Deployment", "Job"}]
(SETTINGS,) = [thing for thing in OBJECTS if thing["kind"] == "ConfigMap"]
(SECRET,) = [thing for thing in OBJECTS if thing["kind"] == "Secret"]


def named(thing: dict[str, Any]) -> str:
    return f"{thing['kind']}-{thing['metadata']['name']}"


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = [thing for thing in OBJECTS if (thing["kind"], thing["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(thing: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = thing["spec"]["template"]["spec"]
    return pod


def container_of(thing: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(thing)["containers"]
    found: dict[str, Any] = container
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The example secret as a pod finds it."""
    for name, value in SECRET["stringData"].items():
        (tmp_path / name).write_text(value)
    return tmp_path


@pytest.mark.parametrize("thing", BUILT_IN, ids=named)
def test_a_manifest_is_what_kubernetes_takes(thing: dict[str, Any]) -> None:
    kubernetes_validate.validate(thing, kubernetes_validate.latest_version(), strict=True)


def test_no_manifest_chooses_a_namespace() -> None:
    assert not [named(thing) for thing in OBJECTS if "namespace" in thing["metadata"]]


def test_the_kustomization_lists_every_manifest_but_the_example() -> None:
    (kustomization,) = read_yaml(FOLDER / "kustomization.yaml")
    assert sorted(kustomization["resources"]) == sorted(
        path.name for path in MANIFESTS if path.name != "secret.example.yaml"
    )
    images = {container_of(thing)["image"] for thing in WITH_PODS}
    assert images == {image["name"] for image in kustomization["images"]}


@pytest.mark.parametrize("thing", WITH_PODS, ids=named)
def test_a_pod_can_read_its_settings(thing: dict[str, Any], secrets: Path) -> None:
    container = container_of(thing)
    assert container["envFrom"] == [{"configMapRef": {"name": SETTINGS["metadata"]["name"]}}]
    own = {variable["name"]: variable["value"] for variable in container.get("env", ())}
    settings = settings_in(SETTINGS["data"] | own, secrets)
    assert settings.ledger.startswith("postgresql://")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    for name, value in SETTINGS["data"].items():
        if name.endswith("_FILE"):
            assert str(Path(value).parent) == mounts["secrets"]
            assert Path(value).name in SECRET["stringData"]
    (volume,) = [volume for volume in pod_of(thing)["volumes"] if volume["name"] == "secrets"]
    assert volume["secret"]["secretName"] == SECRET["metadata"]["name"]


def test_secrets_are_in_no_other_place() -> None:
    assert not [name for name in SETTINGS["data"] if name in {"LECTORIUM_LEDGER", "LECTORIUM_S3_SECRET"}]


@pytest.mark.parametrize("thing", WITH_PODS, ids=named)
def test_a_pod_has_no_privileges_and_no_foreign_settings(thing: dict[str, Any]) -> None:
    pod, container = pod_of(thing), container_of(thing)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/lib/lectorium", "/tmp"}
    # else the Service lectorium-api puts its LECTORIUM_API_... into each pod: unknown settings
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("thing", WITH_PODS, ids=named)
def test_a_container_runs_a_command_that_exists(thing: dict[str, Any]) -> None:
    assert container_of(thing)["args"][0] in lectorium.commands


@pytest.mark.parametrize("name", ["lectorium-worker", "lectorium-synthesize"])
def test_a_worker_has_time_to_stop_and_a_limit_below_the_kernels(name: str) -> None:
    deployment = one("Deployment", name)
    assert pod_of(deployment)["terminationGracePeriodSeconds"] >= 15
    container = container_of(deployment)
    limit = container["resources"]["limits"]["memory"]
    own = {variable["name"]: variable["value"] for variable in container["env"]}
    assert float(own["LECTORIUM_MEMORY_GIGABYTES"]) * 1e9 < 0.8 * int(limit.removesuffix("Gi")) * 2**30
    assert container["livenessProbe"]["exec"]["command"] == ["lectorium-alive"]


def test_every_kind_of_step_has_a_worker() -> None:
    kinds: list[str] = []
    for name in ("lectorium-worker", "lectorium-synthesize"):
        arguments = container_of(one("Deployment", name))["args"]
        assert arguments[:2] == ["worker", "--kinds"]
        kinds += arguments[2].split(",")
    assert sorted(kinds) == sorted(WORKER_KINDS)


def test_the_synthesizer_has_the_gpu() -> None:
    limits = {
        thing["metadata"]["name"]: container_of(thing)["resources"]["limits"].get("nvidia.com/gpu")
        for thing in WITH_PODS
    }
    assert {name for name, count in limits.items() if count == "1"} == {"lectorium-synthesize"}


def test_the_api_is_asked_whether_it_lives_and_whether_it_is_ready() -> None:
    container = container_of(one("Deployment", "lectorium-api"))
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    (port,) = container["ports"]
    assert port["containerPort"] == Settings().port
    (of_service,) = one("Service", "lectorium-api")["spec"]["ports"]
    assert of_service["targetPort"] == port["name"]


def test_selectors_find_their_pods() -> None:
    labels = [thing["spec"]["template"]["metadata"]["labels"] for thing in WITH_PODS]
    for thing in OBJECTS:
        selector = thing.get("spec", {}).get("selector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= each.items() for each in labels), named(thing)


def test_a_disruption_leaves_an_api_and_a_sweeper() -> None:
    for name in ("lectorium-api", "lectorium-worker"):
        least = one("PodDisruptionBudget", name)["spec"]["minAvailable"]
        assert 1 <= least < one("Deployment", name)["spec"]["replicas"]


def test_the_scaler_scales_what_nothing_else_does() -> None:
    scaled = one("ScaledObject", "lectorium-synthesize")["spec"]
    deployment = one("Deployment", scaled["scaleTargetRef"]["name"])
    assert "replicas" not in deployment["spec"]
    assert scaled["minReplicaCount"] == 0
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "postgresql"
    assert float(trigger["metadata"]["targetQueryValue"]) > 0
    (reference,) = one("TriggerAuthentication", trigger["authenticationRef"]["name"])["spec"][
        "secretTargetRef"
    ]
    assert reference["name"] == SECRET["metadata"]["name"]
    assert reference["key"] in SECRET["stringData"]
    assert reference["parameter"] == "connection"


def test_the_example_shows_a_command_that_makes_the_same_secret() -> None:
    text = (FOLDER / "secret.example.yaml").read_text(encoding="utf-8")
    comment = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
    command = " ".join(line.rstrip("\\") for line in comment[comment.index("") :])
    literals = [
        word.removeprefix("--from-literal=") for word in shlex.split(command) if "--from-literal" in word
    ]
    assert dict(literal.split("=", 1) for literal in literals) == SECRET["stringData"]
    assert yaml.safe_load(text) == SECRET
