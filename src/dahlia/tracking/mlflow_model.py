"""An iteration as a model of MLflow's own: what `mlflow.pyfunc.load_model` and `mlflow models serve` take.

    MLmodel              signature, input example, how to load it
    data/onnx/           model.onnx, model.json, verification.json: what the service loads
    code/                the code that decodes, resizes and answers
    requirements.txt     the packages that it needs; nothing that trains

Nothing in it is pickled.
"""

from __future__ import annotations

import base64
import io
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dahlia.files import write_json, write_text
from dahlia.modeling.card import ModelCard
from dahlia.tracking.evidence import Evidence
from dahlia.tracking.model_code import copy_code, loader_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

SERVABLE = "data/onnx"
"""Where the service's files are in the model."""

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

    parameters = {key: value[:_MAX_PARAMETER] for key, value in evidence.parameters.items()}
    model = client.create_logged_model(experiment, name, run_id, params=parameters, model_type="classifier")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def upload_model(client: MlflowClient, model: LoggedModel, evidence: Evidence) -> None:
    """Write the model's files into the store; the model is then ready."""
    with tempfile.TemporaryDirectory(prefix="dahlia-model-") as name:
        _write_description(Path(name), model, evidence)
        copy_code(Path(name) / _CODE)
        client.log_model_artifacts(model.model_id, name)
    client.log_model_artifacts(model.model_id, str(evidence.servable), SERVABLE)
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
        outputs=Schema([ColSpec(DataType.double, tag.name) for tag in card.tags]),
    )


def _grey_square(size: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (size, size), "grey").save(data, "PNG")
    return data.getvalue()
