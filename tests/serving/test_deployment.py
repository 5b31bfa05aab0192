"""That the manifest and the pages about the service name what there is."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from running_services import Service

import dahlia.serving
from dahlia.errors import ConfigError
from dahlia.serving.metrics import Metrics
from dahlia.settings.display import service_reference
from dahlia.settings.server import Settings
from dahlia.settings.service import read_settings
from dahlia.settings.sources import CONFIG, variables

ROOT = Path(__file__).parents[2]
SERVING = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
KUBERNETES = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
MANIFEST = (ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")
TABLE = [line for line in service_reference().splitlines() if line.startswith("| `DAHLIA_")]
NAMES = {line.split("`")[1] for line in TABLE}


CHOSEN = {
    "DAHLIA_URL_FETCH": "off", "DAHLIA_PROXIES": "10.0.0.0/8", "DAHLIA_ORIGINS": "https://app.example",
    "DAHLIA_URL_FETCH_ALLOW": "photos.lan", "DAHLIA_RUNTIME": "onnxruntime",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(MANIFEST)}


@pytest.fixture(scope="module")
def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (found,) = manifest["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def metric_names() -> set[str]:
    registry = CollectorRegistry()
    Metrics(registry)
    endings = {"histogram": ("", "_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
    return {one.name + end for one in registry.collect() for end in endings[one.type]}


def is_read(name: str) -> bool:
    """Whether the service's settings are others if a variable is set."""
    try:
        return read_settings({name: CHOSEN.get(name, "7")}) != read_settings({})
    except ConfigError:  # the value is none for the server's setting
        return False


def test_the_table_has_every_setting() -> None:
    keys = variables(Settings)
    assert {name for name in NAMES if not is_read(name)} == set()
    listed = {keys[name] for name in NAMES}  # some have further names
    assert {name for name, key in keys.items() if key not in listed and is_read(name)} == set()


def test_the_page_has_the_table() -> None:
    assert [line for line in SERVING.splitlines() if line.startswith("| `DAHLIA_")] == TABLE


@pytest.mark.parametrize("text", [SERVING, KUBERNETES, MANIFEST], ids=["serving", "kubernetes", "manifest"])
def test_what_is_named_exists(text: str) -> None:
    assert set(re.findall(r"\bDAHLIA_[A-Z_]+", text)) <= NAMES | {CONFIG}
    assert set(re.findall(r"\bdahlia_[a-z_]+", text)) <= metric_names()


def test_the_page_lists_every_metric_and_every_code() -> None:
    listed = set(re.findall(r"\bdahlia_[a-z_]+", SERVING))
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in metric_names()} <= listed
    folder = Path(dahlia.serving.__file__).parent
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    codes = set(re.findall(r'"((?:BadRequest|NotFound|Error|Unsupported)[A-Z][a-z]\w+)"', code))
    assert {one for one in codes if f"`{one}`" not in SERVING} == set()


@pytest.mark.parametrize("page", [SERVING, KUBERNETES], ids=["serving", "kubernetes"])
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page):
        assert (ROOT / "docs" / link).exists(), link
    for file in re.findall(r"`((?:benchmarks|tests|deploy|docs)/[\w/.]+)`", page):
        assert (ROOT / file).exists(), file


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["startupProbe", "readinessProbe", "livenessProbe", "ServiceMonitor"])
def test_what_the_cluster_asks_for_answers(
    kind: str, manifest: dict[str, Any], container: dict[str, Any], service: Service
) -> None:
    if kind == "ServiceMonitor":
        (asked,) = manifest[kind]["spec"]["endpoints"]
    else:
        asked = container[kind]["httpGet"]
    assert asked["port"] in {port["name"] for port in container["ports"]}
    with urllib.request.urlopen(service.base + asked["path"], timeout=30) as response:
        assert response.status == 200


def test_the_manifest_fits_together(manifest: dict[str, Any], container: dict[str, Any]) -> None:
    labels = manifest["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert manifest[kind]["spec"]["selector"]["matchLabels"] == labels
    assert manifest["Service"]["spec"]["selector"] == labels
    assert (
        manifest["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
        == manifest["Service"]["metadata"]["labels"]
    )
    assert manifest["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "dahlia-prediction"
    (port,) = manifest["Service"]["spec"]["ports"]
    assert port["targetPort"] in {one["name"] for one in container["ports"]}
    volumes = {one["name"] for one in manifest["Deployment"]["spec"]["template"]["spec"]["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes
    given = {one["name"]: one.get("value", "a key") for one in container["env"]}
    read = read_settings({name: value for name, value in given.items() if name in NAMES})
    assert read.key
    (source,) = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one]
    # No key is in the manifest, where it would be used as it stands.
    made = f"kubectl create secret generic {source['name']} --from-literal={source['key']}="
    assert made in MANIFEST
    assert made in KUBERNETES
    assert "Secret" not in manifest
    assert given["BENTOML_HOST"] == "0.0.0.0"  # as probes and the Service come from outside the pod


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    (page.name, block) for page in PAGES for block in re.findall(r"```\w*\n(.*?)```", page.read_text(), re.S)
]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(BLOCKS)])
def test_commands_are_safe_as_they_stand(page: str, block: str) -> None:
    for line in block.splitlines():
        if re.search(r"--host 0\.0\.0\.0|HOST=0\.0\.0\.0", line):
            assert "PREDICTION_KEY" in block, line
        if "docker run" in line:
            assert re.search(r"(-p|--publish) 127\.0\.0\.1:", line), line
        assert "PREDICTION_KEY=..." not in line
