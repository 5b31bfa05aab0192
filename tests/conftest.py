from __future__ import annotations

import gc
import os
import re

from processors import PROCESSORS
from temporary_files import temporary_root

# All are read once: by libraries that compute and by the thread pool when they are loaded, by the hub's
# client when it is imported.
if "TEST_PROCESSOR" in os.environ:
    os.environ.update(PROCESSORS[os.environ["TEST_PROCESSOR"]])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Services measure nothing beside tests, but for the tests of the choice.
os.environ.setdefault("DAHLIA_RUNTIME", "onnxruntime")
if "PYTEST_XDIST_WORKER" in os.environ:  # processes that share the cores are done sooner with a thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(temporary_root()))

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from programs import offer_node
from small_projects import ARCHITECTURE, SmallProject, make_params
from warm_commands import warm_commands

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

    from dahlia.modeling.backbones import Backbone


# By what each takes. Begun last, one would keep a core busy for a minute while the others are idle.
_LONGEST = (
    "pipeline",
    "contract",
    "test_readme",
    "test_reliability_kills",
    "test_warm_pipeline",
    "test_reliability_faults",
    "test_coreml_architectures",
    "test_server_real_training",
    "test_pretraining",
    "test_reliability_fuzz",
    "test_tensorflow_architectures",
    "test_fuzz",
    "test_wheel",
    "test_detection_recipe",
    "test_advanced_resuming",
    "test_workspaces_pipeline",
    "test_train_processors",
    "test_reliability_lost_database",
    "test_server_lanes",
    "test_server_training_job",
)
_TOGETHER = ("pipeline", "contract")  # folders whose tests share trained projects and servers


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files without a test that `-m` asks for: each process takes half a minute to import all."""
    wanted = str(config.option.markexpr)
    if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    if wanted == "not slow":
        return True if re.search(r"^pytestmark = .*\bpytest\.mark\.slow\b", text, re.MULTILINE) else None
    first = wanted.partition(" ")[0]
    return True if first in ("slow", "portable") and f"pytest.mark.{first}" not in text else None


def pytest_configure() -> None:
    """Let tests and the processes that they start find Node."""
    offer_node()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files and folders first."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    last = len(places)
    items.sort(key=lambda one: min(places.get(one.path.stem, last), places.get(one.path.parent.name, last)))


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collections: it is most of what there is, and stays."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Give a process whole files, or whole folders where all their tests share what takes long to prepare."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folder = file.rpartition("/")[0]
            return folder if folder.rpartition("/")[2] in _TOGETHER else file

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.safetensors` file of a network that is small enough to run in milliseconds."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    network = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=10)
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def warm() -> Iterator[Path | None]:
    """The socket of a warm process; the commands of a pipeline that are forked from it need no imports."""
    with warm_commands() as socket:
        yield socket


@pytest.fixture
def tiny_backbone(tiny_weights: Path) -> Backbone:
    from dahlia.modeling.backbones import load_backbone

    return load_backbone(ARCHITECTURE, str(tiny_weights))


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of graphs that projects share: the small network is converted once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="session")
def shipped_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the shipped networks' graphs that the projects and servers of all processes share.

    To convert one takes longer than most trainings of the tests. A file is there whole or not at all, and its
    name has its digest.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shipped_graphs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def project(tmp_path: Path, tiny_weights: Path, graphs: Path) -> SmallProject:
    """Twelve photos each of two colours, as `split` leaves them."""
    project = SmallProject(tmp_path / "project", make_params(tiny_weights), graphs)
    project.plant(red=12, blue=12)
    return project
