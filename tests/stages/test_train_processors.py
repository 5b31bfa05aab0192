"""What training promises on every processor, tested as on others too: see `processors.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dahlia import layout
from dahlia.modeling.card import ModelCard, load_card
from dahlia.modeling.predictions import ClassPredictions, load_predictions
from dahlia.stages import train
from dahlia.training.feature_cache import FeatureCache, Key
from processors import PROCESSORS
from small_projects import SmallProject

TWICE = """
import sys
from pathlib import Path

import torch

from dahlia.stages import train
from small_projects import SmallProject, make_params

def files():
    return {path: path.read_bytes() for path in (project.root / "models").rglob("*") if path.is_file()}

project = SmallProject(Path(sys.argv[1]), make_params(Path(sys.argv[2])))
project.plant(red=12, blue=12)
train.run(project.params, project.root)
first = files()
train.run(project.params, project.root)
differ = [path.name for path, content in files().items() if first[path] != content]
print(torch.backends.cpu.get_cpu_capability(), "differ:", *differ)
"""


@dataclass(frozen=True)
class Result:
    """What a training decided, and the numbers that it decided on."""

    card: ModelCard
    predictions: ClassPredictions

    @classmethod
    def of(cls, root: Path) -> Result:
        return cls(load_card(root / layout.BUNDLE), load_predictions(root / layout.PREDICTIONS))


def assert_alike(one: Result, two: Result) -> None:
    """The same decisions, and probabilities that are as near as rounding leaves them."""
    assert one.card.training == two.card.training
    assert one.predictions.ids == two.predictions.ids
    first, second = one.predictions.probabilities, two.predictions.probabilities
    assert (first.argmax(1) == second.argmax(1)).all()
    np.testing.assert_allclose(first, second, rtol=0, atol=0.01)


@pytest.mark.slow
def test_other_processors_repeat_themselves_and_decide_alike(
    project: SmallProject, tiny_weights: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", TWICE]
    tests = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    running = {
        name: subprocess.Popen(
            [*command, str(tmp_path / name), str(tiny_weights)],
            env=os.environ | variables | {"PYTHONPATH": tests},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, variables in PROCESSORS.items()
    }
    train.run(project.params, project.root)
    here = Result.of(project.root)
    for name, process in running.items():
        said = process.communicate(timeout=120)[0].splitlines()[-1]
        assert process.returncode == 0
        assert said.endswith(" differ:"), f"as on {name}: {said}"
        assert_alike(Result.of(tmp_path / name), here)


@pytest.mark.portable
@pytest.mark.parametrize("seed", range(3))
def test_what_rounding_changes_in_features_decides_nothing(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    """The noise is what features of one photo on two processors differ by."""
    other = project.copy(tmp_path / "other")
    train.run(project.params, project.root)
    random, put = np.random.default_rng(seed), FeatureCache.put

    def noisy(self: FeatureCache, keys: Sequence[Key], vectors: npt.NDArray[np.float32]) -> None:
        noise = random.normal(0, 1e-7, vectors.shape)
        put(self, keys, (vectors + noise).astype(np.float32))

    monkeypatch.setattr(FeatureCache, "put", noisy)
    train.run(other.params, other.root)
    one, two = Result.of(project.root), Result.of(other.root)
    assert not np.array_equal(one.predictions.probabilities, two.predictions.probabilities)
    assert_alike(one, two)
