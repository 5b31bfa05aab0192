"""The parameters of the pipeline: what `params.yaml` may say, checked key by key.

`params.yaml` is the Hydra composition of `conf/`; every stage reads it through `load_params`, so an
unknown key or value is refused here with the nearest known ones, whoever wrote it.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from pydantic import ValidationError as PydanticError

from dahlia.errors import ConfigError


class Section(BaseModel):
    """A part of `params.yaml`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProjectParams(Section):
    """What the project is."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w][\w .-]*$")
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

    folds: int = Field(ge=2, le=20)


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


class TrainingParams(Section):
    """The recipe; see `conf/training`."""

    recipe: Literal["quick", "advanced"]
    regularisation: list[float] = Field(min_length=1)
    max_iterations: PositiveInt
    batch_size: PositiveInt
    budget_minutes: float = Field(ge=0)


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
    verification_images: PositiveInt
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
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} was expected and is not there. Run this in a project folder, or make one with "
            "`dahlia init DIR`."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}. Mend the line, or restore the file.") from error
    return check_params(values, str(path))


def check_params(values: Any, origin: str) -> Params:
    """Check composed parameters; `origin` names them in messages.

    Raises:
        ConfigError: a key or value is not known, or one is missing.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected sections such as `project:`, received {values!r}.")
    try:
        params = Params.model_validate(values)
    except PydanticError as error:
        lines = [_explain(detail, values) for detail in error.errors()]
        raise ConfigError("\n".join(f"{origin}: {line}" for line in lines)) from error
    if params.domain.withdrawn:
        raise ConfigError(
            f"{origin}: the domain {params.domain.name} cannot be used. {params.domain.withdrawn}"
        )
    return params


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean a or b?` for the known words like `word`, else the list of all."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; known: {', '.join(known)}."


def known_keys(location: list[str]) -> list[str]:
    """The keys that the section at `location` may have; none where it is a value."""
    model: type[BaseModel] | None = Params
    for part in location:
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        inner = fields.get(part)
        model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _explain(detail: Any, values: dict[str, Any]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        return f"unknown key `{key}`{nearest(location[-1], known_keys(location[:-1]))}"
    if detail["type"] == "missing":
        return f"the key `{key}` is missing; compose it anew with `dahlia params`."
    if detail["type"] == "literal_error":
        expected = [word.strip("' ") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"`{key}` cannot be {detail['input']!r}{nearest(str(detail['input']), expected)}"
    return f"`{key}` cannot be {detail['input']!r}: {detail['msg']}."
