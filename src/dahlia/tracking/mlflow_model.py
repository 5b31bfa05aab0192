"""An iteration as a model of MLflow's own: what `mlflow.pyfunc.load_model` and `mlflow models serve` take.

    MLmodel              signature, input example, how to load it
    data/onnx/           model.onnx, model.json, verification.json, photos.zip: what the service loads
    code/                the code that decodes, resizes and answers
    requirements.txt     the packages that it needs; nothing that trains

Nothing in it is pickled. The modules that the loader imports are copied under the name `dahlia_<version>`:
under its own name, the copy would hide an installed Dahlia from the process that loads the model, or be
hidden by it.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import dahlia
from dahlia.files import write_json, write_text
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard
from dahlia.tracking.evidence import Evidence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, TensorSpec


SERVABLE = "data/onnx"
"""Where the service's files are in the model."""

LOADER = "dahlia.serving.models.pyfunc"

_PACKAGE = Path(dahlia.__file__).parent
_NAME = "dahlia_" + re.sub(r"\W", "_", dahlia.__version__)
_OURS = re.compile(r"^(\s*(?:from|import) )dahlia\b", re.MULTILINE)
_CODE = "code"
_IMAGE = "image"
_MAX_PARAMETER = 500  # of a model, in MLflow
_PACKAGES = (
    "mlflow", "numpy", "onnxruntime", "opencv-python-headless", "pandas", "pillow", "pydantic",
    "simplejpeg",
)  # fmt: skip


def create_model(
    client: MlflowClient, experiment: str, run_id: str, name: str, evidence: Evidence
) -> LoggedModel:
    """Enter the model of a run into MLflow's list; its files come with `upload_model`."""
    from mlflow.entities import LoggedModelOutput

    kind = _ANSWERS[evidence.card.kind].model_type
    parameters = {key: value[:_MAX_PARAMETER] for key, value in evidence.parameters.items()}
    model = client.create_logged_model(experiment, name, run_id, params=parameters, model_type=kind)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def upload_model(client: MlflowClient, model: LoggedModel, evidence: Evidence) -> None:
    """Write the model's files into the store; the model is then ready."""
    with tempfile.TemporaryDirectory(prefix="dahlia-model-") as name:
        _write_description(Path(name), model, evidence)
        copy_code(Path(name) / _CODE)
        client.log_model_artifacts(model.model_id, name)
    client.log_model_artifacts(model.model_id, str(evidence.servable), SERVABLE)
    if evidence.photos is not None:
        client.log_model_artifact(model.model_id, str(evidence.photos), SERVABLE)
    client.finalize_logged_model(model.model_id, "READY")


def link_version(client: MlflowClient, model: LoggedModel, project: str, version: int) -> None:
    """Let MLflow's page of the model name the version that it is registered as."""
    versions = json.dumps([{"name": project, "version": version}])
    client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": versions})


def _write_description(folder: Path, logged: LoggedModel, evidence: Evidence) -> None:
    # `mlflow.pyfunc.save_model` writes the same, and looks through all installed packages meanwhile (2 s).
    from mlflow.models import Model

    model = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        run_id=logged.source_run_id,
        model_id=logged.model_id,
        signature=_signature(evidence.card),
        saved_input_example_info=_write_example(folder, evidence.card.input.size),
    )
    model.add_flavor(
        "python_function",
        loader_module=loader_name(),
        python_version=platform.python_version(),
        data=SERVABLE,
        code=_CODE,
        env=_write_environments(folder),
    )
    model.model_size_bytes = sum(path.stat().st_size for path in evidence.servable.iterdir())
    model.save(str(folder / "MLmodel"))


def _write_environments(folder: Path) -> dict[str, str]:
    """Write what `mlflow models serve` makes environments of, and return the names of the files."""
    packages = [f"{package}=={version(package)}" for package in _PACKAGES]
    python = platform.python_version()
    files = {
        "python_env.yaml": {
            "python": python,
            "build_dependencies": ["pip", "setuptools", "wheel"],
            "dependencies": ["-r requirements.txt"],
        },
        "conda.yaml": {
            "name": "mlflow-env",
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", "pip", {"pip": packages}],
        },
    }
    write_text(folder / "requirements.txt", "\n".join(packages) + "\n")
    for name, content in files.items():
        write_text(folder / name, yaml.safe_dump(content, sort_keys=False))
    return {"virtualenv": "python_env.yaml", "conda": "conda.yaml"}


def _write_example(folder: Path, size: int) -> dict[str, str]:
    """Write a grey photo as MLflow keeps an example of the input, and return what `MLmodel` says of it."""
    example = {"columns": [_IMAGE], "data": [[base64.b64encode(_grey_square(size)).decode()]]}
    write_json(folder / "input_example.json", example)
    write_json(folder / "serving_input_example.json", {"dataframe_split": example})
    return {
        "type": "dataframe",
        "pandas_orient": "split",
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
    }


def _signature(card: ModelCard) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, _IMAGE)]),
        outputs=Schema(_ANSWERS[card.kind].columns(card)),
    )


def _probabilities(card: ModelCard) -> list[ColSpec | TensorSpec]:
    from mlflow.types import ColSpec, DataType

    return [ColSpec(DataType.double, tag.name) for tag in card.tags]


def _boxes(_: ModelCard) -> list[ColSpec | TensorSpec]:
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import Array, Object, Property

    numbers = ("probability", "left", "top", "width", "height")
    fields = [Property("tagName", DataType.string), *(Property(name, DataType.double) for name in numbers)]
    return [ColSpec(Array(Object(fields)), "boxes")]


@dataclass(frozen=True)
class _Answers:
    """What models of a kind answer: MLflow's word for them, and the columns of their tables."""

    model_type: str
    columns: Callable[[ModelCard], list[ColSpec | TensorSpec]]


_CLASSIFIER = _Answers("classifier", _probabilities)
_ANSWERS: dict[Kind, _Answers] = {
    "multiclass": _CLASSIFIER,
    "multilabel": _CLASSIFIER,
    "detection": _Answers("object-detector", _boxes),
}


def _grey_square(size: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (size, size), "grey").save(data, "PNG")
    return data.getvalue()


def loader_name() -> str:
    """The name under which the copied loader is imported."""
    return _renamed(LOADER)


def copy_code(target: Path) -> Path:
    """Copy the loader and all it imports into a new package in `target`, and return the package's folder."""
    for module in sorted(_needed(LOADER)):
        source = _file_of(module)
        copied = target / _NAME / source.relative_to(_PACKAGE)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text(_OURS.sub(rf"\1{_NAME}", source.read_text("utf-8")), "utf-8")
    return target / _NAME


def _needed(entry: str) -> set[str]:
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            parts = module.split(".")
            waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
            waiting += _imported(ast.parse(_file_of(module).read_text("utf-8")))
    return found


def _imported(node: ast.AST) -> Iterator[str]:
    """Modules of this package that a module imports, without what only a type checker reads."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test):
            continue
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names if _is_ours(alias.name))
        elif isinstance(inner, ast.ImportFrom) and inner.module and _is_ours(inner.module):
            yield inner.module
            names = (f"{inner.module}.{alias.name}" for alias in inner.names)
            yield from (name for name in names if _place_of(name).with_suffix(".py").is_file())
        else:
            yield from _imported(inner)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "dahlia"


def _place_of(module: str) -> Path:
    return _PACKAGE.joinpath(*module.split(".")[1:])


def _file_of(module: str) -> Path:
    place = _place_of(module)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _renamed(module: str) -> str:
    return module.replace("dahlia", _NAME, 1)
