"""The parameters of the pipeline: what `params.yaml` may say, checked key by key.

`params.yaml` is the Hydra composition of `conf/`; every stage reads it through `load_params`, so an
unknown key or value is refused here with the nearest known ones, whoever wrote it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails

from dahlia.errors import ConfigError

PROJECT_NAME = r"^\w[\w .-]{0,63}$"
NAMING = "at most 64 letters, digits, spaces and `_ . -`, the first a letter, digit or `_`"

_Checked = TypeVar("_Checked", bound=BaseModel)


class Section(BaseModel):
    """A part of `params.yaml`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ProjectParams(Section):
    """What the project is."""

    name: str = Field(pattern=PROJECT_NAME)
    classification: Literal["multiclass", "multilabel"]
    negative_tag: str | None
    seed: int = Field(ge=0)


class IngestParams(Section):
    """Where images and annotations come from."""

    format: Literal["auto", "folder", "csv", "coco", "voc", "yolo"]
    source: str
    workers: int = Field(ge=0)


class ValidateParams(Section):
    """Limits of the dataset; see `conf/validate`."""

    on_error: Literal["stop", "skip"]
    max_bytes: PositiveInt
    max_edge: PositiveInt
    max_aspect_ratio: float = Field(gt=1)
    min_edge: PositiveInt
    min_images_per_tag: PositiveInt
    advised_images_per_tag: PositiveInt
    max_imbalance: float = Field(gt=1)
    near_duplicate_bits: int = Field(ge=0, le=16)
    min_region_edge: float = Field(gt=0, lt=1)


class SplitParams(Section):
    """How images are divided into folds."""

    folds: int = Field(ge=3, le=20)  # one to judge, one to choose on, and one to learn from


class BackboneParams(Section):
    """The frozen network that turns an image into features."""

    architecture: str
    weights: str


class InputParams(Section):
    """What the network sees."""

    size: int = Field(ge=32, le=1024)


class RecipeParams(Section):
    """How photos of this domain may be looked at without becoming something else.

    `views` are fixed and serve the quick recipe; `augmentation` is random and serves the advanced one.
    """

    views: list[Literal["plain", "mirror", "zoom", "zoom_mirror", "dim", "tilt"]] = Field(min_length=1)
    augmentation: list[
        Literal["mirror", "crop", "colour", "light", "rotate", "rotate_any", "perspective", "blur", "weather"]
    ]


class DomainParams(Section):
    """A Custom Vision domain; see `conf/domain`."""

    id: str
    name: str
    task: Literal["classification"]
    withdrawn: str | None
    backbone: BackboneParams
    input: InputParams
    recipe: RecipeParams
    exports: list[Literal["onnx"]] = Field(min_length=1)


class FineTuningParams(Section):
    """How the advanced recipe moves the backbone; see `conf/training/advanced.yaml`."""

    budget_minutes: float = Field(gt=0)
    max_epochs: PositiveInt
    learning_rate: float = Field(gt=0)
    layer_decay: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    averaging: float = Field(ge=0, lt=1)


class TrainingParams(Section):
    """The recipe; see `conf/training`."""

    recipe: Literal["quick", "advanced"]
    regularisation: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)
    max_iterations: PositiveInt
    batch_size: PositiveInt
    fine_tuning: FineTuningParams | None


class EvaluateParams(Section):
    """How the held-out predictions are judged."""

    threshold: float = Field(ge=0, le=1)
    confidence: float = Field(gt=0, lt=1)
    bootstrap_samples: PositiveInt
    calibration_bins: PositiveInt
    worst_images: PositiveInt


class ExportParams(Section):
    """How exports are made and proven."""

    opset: int = Field(ge=17)
    verification_images: int = Field(ge=1, le=64)
    max_difference: float = Field(gt=0)


class TrackParams(Section):
    """Where iterations are kept."""

    uri: str


class Params(Section):
    """All of `params.yaml`."""

    project: ProjectParams
    ingest: IngestParams
    validate_: ValidateParams = Field(alias="validate")
    split: SplitParams
    domain: DomainParams
    training: TrainingParams
    evaluate: EvaluateParams
    export: ExportParams
    track: TrackParams


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ConfigError: the file is missing or not YAML, or a key or value is not known; the message
            names the nearest known ones.
    """
    return check_params(read_yaml(path), str(path))


def read_yaml(path: Path) -> object:
    """Read one of a project's YAML files.

    Raises:
        ConfigError: the file is missing, cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} was expected and is not there. Run this in a project folder, or make one with "
            "`dahlia init DIR`."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Restore the file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}. Mend the line, or restore the file.") from error


def check_params(values: object, origin: str) -> Params:
    """Check composed parameters; `origin` names them in messages.

    Raises:
        ConfigError: a key or value is not known, or one is missing.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected sections such as `project:`, received {values!r}.")
    params = _check(Params, values, origin)
    if params.domain.withdrawn:
        raise ConfigError(
            f"{origin}: the domain {params.domain.name} cannot be used. {params.domain.withdrawn}"
        )
    return params


def check_domain(values: object, origin: str) -> DomainParams:
    """Check the section `domain` alone; a withdrawn one passes.

    Raises:
        ConfigError: see `check_params`.
    """
    return _check(DomainParams, values, origin, ["domain"])


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean a or b?` for the known words like `word`, else the list of all."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; known: {', '.join(known)}."


def known_keys(location: list[str]) -> list[str]:
    """The keys that the section at `location` may have; none where it is a value."""
    model: type[BaseModel] = Params
    for part in location:
        inner = _fields(model).get(part)
        inner = next((kind for kind in get_args(inner) if kind is not NoneType), inner)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, object]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _check(model: type[_Checked], values: object, origin: str, within: Sequence[str] = ()) -> _Checked:
    try:
        return model.model_validate(values)
    except PydanticError as error:
        lines = [_explain(detail, within) for detail in error.errors()]
        raise ConfigError("\n".join(f"{origin}: {line}" for line in lines)) from error


def _explain(detail: ErrorDetails, within: Sequence[str]) -> str:
    location = [*within, *(str(part) for part in detail["loc"])]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        return f"unknown key `{key}`{nearest(location[-1], known_keys(location[:-1]))}"
    if detail["type"] == "missing":
        return f"the key `{key}` is missing; compose it anew with `dahlia params`."
    if detail["type"] == "literal_error":
        expected = [word.strip("' ") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"`{key}` cannot be {detail['input']!r}{nearest(str(detail['input']), expected)}"
    if detail["type"] == "string_pattern_mismatch":
        return f"`{key}` cannot be {detail['input']!r}: expected {NAMING}."
    return f"`{key}` cannot be {detail['input']!r}: {detail['msg']}."
