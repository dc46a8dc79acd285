"""Every service can be deployed alone, and safely."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.client import SERVICES

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "k8s" / "base"
WORKLOADS = (*SERVICES, "ui")
KUBERNETES = "1.31"

SHARED = {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108  no file of ours

Manifest = dict[str, Any]


def manifests(path: Path) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]


def one(name: str, kind: str) -> Manifest:
    (found,) = [each for each in manifests(BASE / f"{name}.yaml") if each["kind"] == kind]
    return found


def container(name: str) -> Manifest:
    (found,) = one(name, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("k8s/*/**/*.yaml")), ids=lambda path: path.name)
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(path: Path) -> None:
    for manifest in manifests(path):
        if manifest["apiVersion"].startswith("kustomize"):
            assert all((path.parent / each).exists() for each in manifest["resources"])
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_has_an_account_a_service_and_a_deployment(name: str) -> None:
    for kind in ("ServiceAccount", "Service", "Deployment"):
        assert one(name, kind)["metadata"]["name"] == name
    assert f"{name}.yaml" in manifests(BASE / "kustomization.yaml")[0]["resources"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_probed_over_grpc_at_its_port(name: str) -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container(name)[probe]["grpc"]["port"] == DEFAULT_PORTS[name]
    ready = f"hundredfold.api.{name}.v1.{name.capitalize()}Service"
    assert container(name)["readinessProbe"]["grpc"]["service"] == ready


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_runs_with_few_rights_and_bounded_resources(name: str) -> None:
    pod = one(name, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    security = container(name)["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"]["drop"] == ["ALL"]
    resources = container(name)["resources"]
    assert {"cpu", "memory"} == set(resources["requests"]) == set(resources["limits"])


@pytest.mark.parametrize("name", SERVICES)
def test_the_config_tells_every_service_where_each_is(name: str) -> None:
    (config,) = manifests(BASE / "config.yaml")
    address = config["data"][f"HUNDREDFOLD_{name.upper()}_ADDRESS"]
    assert address == f"dns:///{name}:{DEFAULT_PORTS[name]}"


@pytest.mark.parametrize("name", WORKLOADS)
def test_compose_builds_and_hardens_every_workload(name: str) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["build"]["dockerfile"] == "deploy/docker/Dockerfile"
    if name != "ui":
        assert service["build"]["args"]["SERVICE"] == name
        assert "ports" not in service


def triton_pods() -> dict[str, Manifest]:
    """The pod of Triton alone, and what Triton beside the embedding service adds to its pod."""
    components = DEPLOY / "k8s" / "components"
    (alone,) = [
        each
        for each in manifests(components / "triton" / "triton.yaml")
        if each["kind"] == "Deployment"
    ]
    (component,) = manifests(components / "triton-beside" / "kustomization.yaml")
    beside = yaml.safe_load(component["patches"][1]["patch"])
    return {
        "triton": alone["spec"]["template"]["spec"],
        "beside": beside["spec"]["template"]["spec"],
    }


@pytest.mark.parametrize("name", ["triton", "beside"])
def test_triton_has_a_gpu_memory_to_share_and_a_probe_that_nobody_else_reaches(name: str) -> None:
    pod = triton_pods()[name]
    (triton,) = [each for each in pod["containers"] if each["name"] == "triton"]
    assert triton["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert "--http-address=127.0.0.1" in triton["args"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert "http://127.0.0.1:8000/v2/health/ready" in triton[probe]["exec"]["command"][-1]
    (shared,) = [each["emptyDir"] for each in pod["volumes"] if each["name"] == "shm"]
    assert shared["medium"] == "Memory"
    assert SHARED in triton["volumeMounts"]
    assert triton["securityContext"]["readOnlyRootFilesystem"] is True


def test_triton_beside_the_embedding_service_shares_its_memory_and_with_nobody_else() -> None:
    embedding, triton = triton_pods()["beside"]["containers"]
    assert embedding["volumeMounts"] == [SHARED]
    assert "--grpc-address=127.0.0.1" in triton["args"]
    # One user for both: a region is its owner's alone.
    assert "securityContext" not in triton_pods()["beside"]
    assert "runAsUser" not in triton["securityContext"]


def test_the_dockerfile_runs_as_nobody_in_particular() -> None:
    lines = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8").splitlines()
    assert "USER 10001" in lines
    assert [line for line in lines if line.startswith("ARG SERVICE")]
