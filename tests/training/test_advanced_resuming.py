"""The advanced recipe, cut off: the same command goes on as if it had not been."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dahlia import layout
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.card import load_card
from dahlia.modeling.predictions import load_predictions
from dahlia.training import advanced
from dahlia.training.advanced import AdvancedResult, train_advanced
from dahlia.training.trainer import SafetensorsCheckpoints
from small_projects import ARCHITECTURE, SmallProject, make_params
from tuning_cases import TRAINER, Case, Machine, finished, make_case, same, states, tuning, with_tuning

pytestmark = pytest.mark.slow

SLOW = pytest.mark.slow
Out = pytest.CaptureFixture[str]


class KilledError(Exception):
    pass


THREE = tuning(max_epochs=3, learning_rate=0.02)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> AdvancedResult:
    """What comes of the same photos where nothing is cut off."""
    folder = tmp_path_factory.mktemp("whole")
    project = SmallProject(folder / "project", make_params(tiny_weights))
    project.plant(red=12, blue=12)
    case = make_case(project, load_backbone(ARCHITECTURE, str(tiny_weights)))
    return finished(train_advanced(*case.arguments, THREE, folder / "state", trainer=TRAINER))


@pytest.mark.portable
@pytest.mark.parametrize(
    "epoch", [pytest.param(epoch, marks=[SLOW] * (epoch != 2)) for epoch in range(1, 13)]
)
def test_what_was_cut_off_goes_on_as_if_it_had_not_been(
    case: Case, state: Path, whole: AdvancedResult, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    saved = 0
    save = SafetensorsCheckpoints.save_checkpoint

    def cut_off(
        self: SafetensorsCheckpoints, checkpoint: dict[str, object], *rest: object, **options: object
    ) -> None:
        nonlocal saved
        save(self, checkpoint, *rest, **options)  # type: ignore[arg-type]
        saved += "state_dict" in checkpoint
        if saved == epoch:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(SafetensorsCheckpoints, "save_checkpoint", cut_off)
        try:
            train_advanced(*case.arguments, THREE, state, trainer=TRAINER)
        except KilledError:
            assert states(state)
    assert same(finished(train_advanced(*case.arguments, THREE, state, trainer=TRAINER)), whole)
    assert states(state) == []


@SLOW
def test_going_on_makes_no_new_plan(
    case: Case, machine: Machine, state: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = tuning(budget_minutes=0.1, max_epochs=20)
    with monkeypatch.context() as patch:
        patch.setattr(advanced, "_result", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_advanced(*case.arguments, params, state, trainer=TRAINER, clock=machine)
    assert states(state) == ["plan.safetensors"]
    machine.now, drawn = 0.0, machine.photos
    train_advanced(*case.arguments, params, state, trainer=TRAINER, clock=machine)
    assert "resuming fine-tuning" in capsys.readouterr().out
    assert machine.photos - drawn <= 6 * 72  # and nothing for a probe
    assert machine.now <= 6.0 - drawn * 0.01


def test_other_photos_or_parameters_begin_anew(case: Case, state: Path) -> None:
    for params in (tuning(), tuning(label_smoothing=0.2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(advanced, "_result", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                train_advanced(*case.arguments, params, state, trainer=TRAINER)
        assert len(list(state.iterdir())) == 1  # what the other left is gone


KILLED = """
import os, signal, sys
from pathlib import Path
from dahlia.config import load_params
from dahlia.stages import train
from dahlia.training import advanced
from dahlia.training.trainer import SafetensorsCheckpoints

advanced._gain = lambda *_: 1.0
save, saved = SafetensorsCheckpoints.save_checkpoint, 0
def watched(self, checkpoint, *rest, **options):
    global saved
    save(self, checkpoint, *rest, **options)
    saved += "state_dict" in checkpoint
    if "state_dict" in checkpoint and saved == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)
SafetensorsCheckpoints.save_checkpoint = watched
for kill_after in map(int, sys.argv[1:]):
    command = os.fork()
    if command == 0:
        train.run(load_params(Path("params.yaml")), Path("."))
        sys.stdout.flush()
        os._exit(0)
    print("ended with", os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]), flush=True)
"""


@pytest.mark.portable
@SLOW
def test_kill_9_and_the_same_command(project: SmallProject) -> None:
    import yaml

    params = with_tuning(project.params, max_epochs=3, learning_rate=0.02).model_dump(by_alias=True)
    (project.root / "params.yaml").write_text(yaml.safe_dump(params))

    def run(*kill_after: int) -> list[int]:
        """How trainings end, one after the other: forked, as importing takes longer than they do."""
        command = [sys.executable, "-c", KILLED, *map(str, kill_after)]
        said = subprocess.run(command, cwd=project.root, check=True, stdout=subprocess.PIPE, text=True).stdout
        return [int(line.split()[-1]) for line in said.splitlines() if line.startswith("ended with")]

    assert run(0) == [0]
    whole = load_predictions(project.root / layout.PREDICTIONS)
    bundle = {path.name: path.read_bytes() for path in (project.root / layout.BUNDLE).iterdir()}
    (project.root / layout.PREDICTIONS).unlink()
    assert run(2, 3, 0) == [-signal.SIGKILL, -signal.SIGKILL, 0]
    again = load_predictions(project.root / layout.PREDICTIONS)
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    assert {path.name: path.read_bytes() for path in (project.root / layout.BUNDLE).iterdir()} == bundle
    assert load_card(project.root / layout.BUNDLE).training.recipe == "advanced"
    assert states(project.root / layout.ADVANCED) == []
