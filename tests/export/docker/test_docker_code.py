from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dahlia.dataset import imaging
from dahlia.errors import ExportError
from dahlia.export.docker import port
from dahlia.export.docker.port import PYTHON, SERVER, SHARED, dockerfile, requirements

# The name under which a package is imported, where it is not that of its distribution.
IMPORT_NAMES = {
    "opencv-python-headless": "cv2",
    "pi-heif": "pi_heif",
    "pillow": "PIL",
    "python-multipart": "python_multipart",
}
INSTRUCTIONS = {
    "FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD",
}  # fmt: skip


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add((node.module or "").split(".")[0])
    return names


def instructions(text: str) -> list[tuple[str, str]]:
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def test_the_code_stands_alone(export: Path) -> None:
    modules = {path.stem: path for path in (export / "app").glob("*.py")}
    assert set(modules) == {*SERVER, *SHARED}
    pinned = {Requirement(line).name for line in requirements("x86_64").splitlines()}
    known = {IMPORT_NAMES.get(name, name) for name in pinned} | set(sys.stdlib_module_names) | set(modules)
    for path in modules.values():
        assert imported(path) <= known, path.name
    assert set(modules).isdisjoint(sys.stdlib_module_names)


def test_the_decoder_is_the_one_of_training(export: Path) -> None:
    ours = Path(imaging.__file__).read_text().splitlines()
    theirs = (export / "app" / "imaging.py").read_text().splitlines()
    assert theirs[0].startswith("# dahlia.dataset.imaging of Dahlia ")
    changed = [(old, new) for old, new in zip(ours, theirs[1:], strict=True) if old != new]
    assert [new for _, new in changed] == [re.sub(r"dahlia\.(\w+\.)*", "", old) for old, _ in changed]
    assert all(old.startswith("from dahlia.") for old, _ in changed)


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_the_dockerfile(export: Path, platform: str) -> None:
    written = instructions(dockerfile(platform))
    assert {name for name, _ in written} == INSTRUCTIONS
    assert written[0] == ("FROM", f"--platform={platform} python:{PYTHON}-slim-trixie")
    by_name = dict(written)
    assert by_name["USER"] == "10001:10001"
    assert ast.literal_eval(by_name["CMD"]) == ["python", "app.py"]
    assert ast.literal_eval(by_name["HEALTHCHECK"].split("CMD ")[1]) == ["python", "health.py"]
    assert by_name["EXPOSE"] == "80"
    for name, rest in written:
        if name == "COPY":
            *_, origin, target = rest.split()
            assert (export / origin).exists()
            assert target == "./"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_package_is_pinned(machine: str) -> None:
    lines = requirements(machine).splitlines()
    assert lines == sorted(lines)
    names = {Requirement(line).name for line in lines}
    assert names >= set(port.IMPORTED) | {"idna", "typing-extensions"}
    assert not names & {"torch", "tensorflow", "dahlia", "onnx"}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "IMPORTED", ("no-such-package",))
    with pytest.raises(ExportError, match="pip install no-such-package"):
        requirements("x86_64")
