from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import fake_detector
import pytest
from fake_detector import Output

from dahlia import layout
from dahlia.errors import ExportError, VerificationError
from dahlia.export import downloads
from dahlia.export.downloads import write_downloads
from dahlia.export.formats import FORMATS, Format, by_name, chosen
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.registry import Registry
from small_projects import SmallProject


class OneModel:
    """A registry that has one iteration: what the project trained last."""

    project = "garden"

    def __init__(self, project: SmallProject) -> None:
        self.folder = project.root / layout.BUNDLE

    def bundle(self, iteration: Iteration) -> Path:
        return self.folder


class First:
    number, id = 1, "an id"


def ask(project: SmallProject, *forms: Format) -> Path:
    out = project.root / "downloads"
    registry, iteration = cast(Registry, OneModel(project)), cast(Iteration, First())
    write_downloads(forms, iteration, registry, project.params, project.root, out)
    return out


def test_one_that_fails_keeps_no_other_back(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = downloads.write_download

    def write_or_fail(form: Format, *rest: Any) -> Any:
        if form.name == "onnx-float16":
            raise VerificationError("It differs.")
        return write(form, *rest)

    monkeypatch.setattr(downloads, "write_download", write_or_fail)
    with pytest.raises(ExportError, match=r"Not written: onnx-float16; the reasons are above\."):
        ask(trained, by_name("onnx-float16"), by_name("onnx"), by_name("openvino"))
    said = capsys.readouterr()
    assert said.err == "onnx-float16: It differs.\n"
    assert [line.split(",")[0] for line in said.out.splitlines()] == ["onnx", "openvino"]
    made = (trained.root / "downloads").glob("*.zip")
    assert sorted(path.name for path in made) == ["garden-1-onnx.zip", "garden-1-openvino.zip"]


def test_libraries_have_processes_of_their_own(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called: list[list[str]] = []

    def run(command: list[str]) -> None:
        called.append(command[command.index("export") + 2 : command.index("--out")])
        for name in command[command.index("export") + 3 : command.index("--out") : 2]:
            if name != "litert-int8":
                out = Path(command[-1])
                out.mkdir(exist_ok=True)
                (out / f"garden-1-{name}.zip").touch()

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ExportError, match="Not written: litert-int8; "):
        ask(trained, *chosen("all"))
    asked = [set(words[1::2]) for words in called]
    assert asked[0] == {"tensorflow", "tensorflow-saved-model"}  # alone, and before those that use its graph
    assert {"litert", "litert-float16", "litert-int8", "tfjs"} in asked
    assert {name for names in asked for name in names} == {form.name for form in chosen("all")}
    assert len(asked) == 4


def _asked(trained: SmallProject, *forms: Format, possible: tuple[Format, ...]) -> list[str]:
    """The formats that are written, without writing them."""
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "_side_by_side", lambda groups, *_: written.extend(_names(groups)) or [])
        patch.setattr(downloads, "_made", lambda form, *_: written.append(form.name) or True)
        patch.setattr(downloads, "export_inputs", lambda *_: None)
        registry, iteration = cast(Registry, OneModel(trained)), cast(Iteration, First())
        out = trained.root / "downloads"
        write_downloads(forms, iteration, registry, trained.params, trained.root, out, possible=possible)
    return written


def _names(groups: Sequence[Sequence[Format]]) -> list[str]:
    return [form.name for group in groups for form in group]


def test_all_formats_are_those_of_the_domain(trained: SmallProject) -> None:
    few = trained.params.domain.model_copy(update={"exports": ["onnx", "docker"]})
    trained.params = trained.params.model_copy(update={"domain": few})
    names = ["docker-arm", "docker", "onnx", "onnx-float16", "onnx-int8"]
    assert sorted(_asked(trained, possible=FORMATS)) == sorted(names)
    with pytest.raises(ExportError, match="is exported as onnx, docker, not as coreml"):
        _asked(trained, by_name("coreml"), possible=FORMATS)


@pytest.mark.parametrize(("output", "raw"), [("grid", []), ("boxes", ["openvino-raw"])])
def test_all_formats_of_a_detector(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, output: Output, raw: list[str]
) -> None:
    """Without post-processing is another file only where there is some."""
    monkeypatch.setattr(downloads, "load_card", lambda _: fake_detector.card(output))
    monkeypatch.setattr(downloads, "_allowed", lambda *_: ["onnx", "openvino"])
    names = ["onnx", "onnx-float16", "onnx-int8", "openvino", "openvino-int8", *raw]
    assert sorted(_asked(trained, possible=FORMATS)) == names
    monkeypatch.setattr(downloads, "_allowed", lambda *_: [])
    with pytest.raises(ExportError, match="is a domain that is served, not exported"):
        _asked(trained, possible=FORMATS)


def test_nothing_is_written_where_the_domain_lacks_one(trained: SmallProject) -> None:
    few = trained.params.domain.model_copy(update={"exports": ["onnx"]})
    trained.params = trained.params.model_copy(update={"domain": few})
    with pytest.raises(ExportError, match="is exported as onnx, not as coreml"):
        ask(trained, by_name("onnx"), by_name("coreml"))
    assert not (trained.root / "downloads").exists()


def test_the_domain_of_an_iteration_is_found_by_its_id(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another domain is chosen by now; the one of the iteration was renamed, and a third bears its name."""
    trained_in = trained.params.domain
    chosen_now = trained_in.model_copy(update={"id": "another", "name": "Another"})
    trained.params = trained.params.model_copy(update={"domain": chosen_now})
    namesake = trained_in.model_copy(update={"id": "namesake"})
    renamed = trained_in.model_copy(update={"name": "Renamed", "exports": ["onnx"]})
    known = {"namesake": namesake, "renamed": renamed}
    monkeypatch.setattr("dahlia.composition.domains", lambda root: known)
    with pytest.raises(ExportError, match="is exported as onnx, not as coreml"):
        ask(trained, by_name("coreml"))
