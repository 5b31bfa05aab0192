"""What `params.yaml` may say: one model per section, unknown keys and values refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PositiveInt,
    model_validator,
)

from dahlia.kinds import TASKS, Classification, Kind, Task
from dahlia.target_classes import TRAINER
from dahlia.targets import checked_name, checked_target

PROJECT_NAME = r"^\w[\w .-]{0,63}$"
NAMING = "at most 64 letters, digits, spaces and `_ . -`, the first a letter, digit or `_`"

Channels = Literal["RGB", "BGR"]
ExportFamily = Literal["onnx", "coreml", "tensorflow", "litert", "tfjs", "openvino", "docker"]
ExportName = Literal[
    "onnx",
    "onnx-float16",
    "onnx-int8",
    "coreml",
    "coreml-float16",
    "coreml-mlmodel",
    "coreml-mlmodel-float16",
    "tensorflow",
    "tensorflow-saved-model",
    "litert",
    "litert-float16",
    "litert-int8",
    "tfjs",
    "openvino",
    "openvino-int8",
    "openvino-raw",
    "docker",
    "docker-arm",
]


class Section(BaseModel):
    """A part of `params.yaml`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ProjectParams(Section):
    """What the project is.

    `negatives` are photos of other things, which teach a model what is none of its tags. Parameters that an
    older version wrote do not have it and mean `none`: they train as they did before, and probabilities keep
    their meaning until somebody asks for another one.
    """

    name: str = Field(pattern=PROJECT_NAME)
    classification: Classification
    negative_tag: str | None
    negatives: Literal["builtin", "none"] = "none"
    seed: int = Field(ge=0)


class IngestParams(Section):
    """Where images and annotations come from."""

    format: Literal[
        "auto",
        "folder",
        "csv",
        "coco",
        "voc",
        "cvat",
        "yolo",
        "openimages",
        "labelstudio",
        "createml",
        "labelme",
    ]
    source: str
    split_folders: Literal["auto", "splits", "tags"] = "auto"  # older projects do not have it
    groups: Literal["auto", "folders", "none"] = "auto"  # nor this
    workers: int = Field(ge=0)


class ValidateParams(Section):
    """Limits of the dataset; see `conf/validate`. Older projects do not have those of boxes."""

    on_error: Literal["stop", "skip"]
    several_tags: Literal["error", "warning"] = "error"  # older projects do not have it
    max_bytes: PositiveInt
    max_edge: PositiveInt
    max_aspect_ratio: float = Field(gt=1)
    min_edge: PositiveInt
    min_images_per_tag: PositiveInt
    advised_images_per_tag: PositiveInt
    max_imbalance: float = Field(gt=1)
    near_duplicate_bits: int = Field(ge=0, le=16)
    min_region_edge: float = Field(gt=0, lt=1)
    min_boxes_per_tag: PositiveInt = 5
    advised_boxes_per_tag: PositiveInt = 15
    max_boxes_per_image: PositiveInt = 300
    min_box_pixels: float = Field(default=8.0, gt=0)
    max_box_overlap: float = Field(default=0.9, gt=0, lt=1)


def _folds(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    # one to judge, one to choose on, and one to learn from
    if isinstance(value, int) and not isinstance(value, bool) and 3 <= value <= 20:
        return value
    raise ValueError("expected auto or a number of folds, an integer from 3 to 20")


class SplitParams(Section):
    """How images are divided into folds."""

    folds: Annotated[int | Literal["auto"], PlainValidator(_folds)]


class BackboneParams(Section):
    """The frozen network that turns an image into features."""

    architecture: str
    weights: str


class InputParams(Section):
    """What the network sees."""

    size: int = Field(ge=32, le=1024)
    smoothing: float = Field(ge=0, le=1 / 3)


class RecipeParams(Section):
    """How photos of this domain may be looked at without becoming something else.

    `views` are fixed and serve the quick recipe; `augmentation` is random and serves the advanced one.
    """

    views: list[Literal["plain", "mirror", "zoom", "zoom_mirror", "dim", "tilt"]] = Field(min_length=1)
    augmentation: list[
        Literal["mirror", "crop", "colour", "light", "rotate", "rotate_any", "perspective", "blur", "weather"]
    ]


def _rising(value: list[float]) -> list[float]:
    if value[0] > value[1]:
        raise ValueError(f"expected two numbers, the first not above the second, received {value}")
    return value


Range = Annotated[
    list[Annotated[float, Field(ge=0.1, le=10)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_rising),
]
"""The lowest and the highest of what is drawn."""


class ViewParams(Section):
    """How photos of a domain may be looked at while a detector learns from them.

    `zoom` is how many times as large as in its photo an object may be, `mosaic_zoom` the same in mosaics of
    four photos, and `mosaic` the share of views that are mosaics. `aspect` is how many times as wide as
    high a photo may become, or the reverse. `colour` is 0 to 1, the strength of changes of brightness,
    contrast, saturation and tint; `perspective` by what share of the edges a corner may move; `rotation` the
    most degrees; `blur` the share of views that are blurred.
    """

    mirror: bool
    zoom: Range
    aspect: float = Field(ge=1, le=2)
    mosaic: float = Field(ge=0, lt=1)
    mosaic_zoom: Range
    colour: float = Field(ge=0, le=1)
    perspective: float = Field(ge=0, le=0.2)
    rotation: float = Field(ge=0, le=45)
    blur: float = Field(ge=0, le=1)


class DetectorParams(Section):
    """What finds objects on the maps of the backbone.

    `strides` are those of the maps, in pixels of the input: a place on each answers for one object. `output`
    is what exports answer: `grid`, that of Custom Vision's compact detectors, or `boxes`, ready to draw.
    `width` is the number of channels of neck and head.
    """

    strides: list[Literal[8, 16, 32]] = Field(min_length=1)
    output: Literal["grid", "boxes"]
    width: int = Field(ge=16, le=256, multiple_of=8)
    overlap: float = Field(gt=0, lt=1)
    least: float = Field(gt=0, lt=1)
    most: int = Field(ge=1, le=300)  # as many as `validate` allows in a photo
    views: ViewParams

    @model_validator(mode="after")
    def _strides_fit(self) -> DetectorParams:
        doubled = [self.strides[0] * 2**number for number in range(len(self.strides))]
        if self.strides != doubled:
            raise ValueError(f"expected strides that double, such as [8, 16, 32], received {self.strides}")
        if self.output == "grid" and self.strides != [16, 32]:
            raise ValueError(f"the output grid has the strides [16, 32], received {self.strides}")
        return self


def usual_channels(domain: str) -> Channels:
    """What older projects and models, which do not have `channels`, mean by a domain's name."""
    return "RGB" if domain.endswith("[S1]") else "BGR"


class DomainParams(Section):
    """A Custom Vision domain; see `conf/domain`.

    `channels` is the order in which programs that use an export give a pixel's colours. `detector` is that of
    detection domains.
    """

    id: str
    name: str
    task: Task
    withdrawn: str | None
    backbone: BackboneParams
    input: InputParams
    recipe: RecipeParams
    detector: DetectorParams | None = None
    channels: Channels = Field(default_factory=lambda given: usual_channels(given.get("name", "")))
    exports: list[ExportFamily]

    @model_validator(mode="after")
    def _detects(self) -> DomainParams:
        if TASKS[self.task].boxed != (self.detector is not None):
            raise ValueError(
                "a domain of detection needs `detector`, one of classification has none; choose a domain "
                "with `dahlia params domain=NAME`"
            )
        return self


class FineTuningParams(Section):
    """How the advanced recipe moves the backbone; see `conf/training/advanced.yaml`."""

    budget_minutes: float = Field(gt=0)
    frozen_stages: Annotated[int, Field(ge=0)] = 0
    views: Annotated[int, Field(ge=2)] = 9
    max_epochs: PositiveInt
    learning_rate: float = Field(gt=0)
    layer_decay: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    averaging: float = Field(ge=0, lt=1)
    interpolation: float = Field(gt=0, le=1)
    mixup: float = Field(ge=0)
    cutmix: float = Field(ge=0)
    mixing: float = Field(ge=0, le=1)
    balancing: float = Field(ge=0, le=1)
    patience: PositiveInt


class DetectionParams(Section):
    """How detectors are trained; see `conf/training/quick.yaml`."""

    steps: PositiveInt
    batch_size: PositiveInt
    views: int = Field(ge=2)
    folds: int = Field(ge=2, le=5)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    averaging: float = Field(ge=0, lt=1)


class TrainingParams(Section):
    """The recipe; see `conf/training`. Parameters of before there were detectors have no `detection`."""

    recipe: Literal["quick", "advanced"]
    regularisation: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)
    max_iterations: PositiveInt
    batch_size: PositiveInt
    fine_tuning: FineTuningParams | None
    detection: DetectionParams | None = None

    @model_validator(mode="after")
    def _one_recipe(self) -> TrainingParams:
        if (self.recipe == "advanced") != (self.fine_tuning is not None):
            raise ValueError(
                "the quick recipe has no `fine_tuning`, the advanced one needs it; choose with "
                "`dahlia params training=quick` or `training=advanced`"
            )
        return self


def _devices(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("expected auto or a number of devices, at least 1")


Target = Annotated[dict[str, Any], AfterValidator(checked_target)]
"""A class by `_target_`, and its arguments."""


class TrainerParams(Section):
    """What Lightning's trainers run on, and what watches them; see `conf/trainer`."""

    target: Annotated[str, AfterValidator(checked_name)] = Field(default=TRAINER, alias="_target_")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Annotated[int | Literal["auto"], PlainValidator(_devices)] = "auto"
    strategy: Literal["auto", "ddp_spawn", "ddp_fork"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    logger: dict[str, Target] = Field(default_factory=dict)
    callbacks: dict[str, Target] = Field(default_factory=dict)


class EvaluateParams(Section):
    """How the held-out predictions are judged."""

    threshold: float = Field(ge=0, le=1)
    overlap: float = Field(default=0.5, gt=0, le=1)  # older projects do not have it
    confidence: float = Field(gt=0, lt=1)
    bootstrap_samples: PositiveInt
    calibration_bins: PositiveInt
    worst_images: PositiveInt


class ExportParams(Section):
    """Which exports the pipeline makes, and on how many photos differences are measured.

    Attributes:
        formats: by the names of `dahlia.export.formats`.
        verification_images: None for the usual number of the model's kind; see `dahlia.export.proofs`.
    """

    formats: list[ExportName] = Field(min_length=1)
    verification_images: int | None = Field(ge=1, le=200)


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
    trainer: TrainerParams = Field(default_factory=TrainerParams)  # older projects do not have it
    evaluate: EvaluateParams
    export: ExportParams
    track: TrackParams

    @property
    def kind(self) -> Kind:
        """What the project's models say of a photo."""
        return TASKS[self.domain.task].kind or self.project.classification
