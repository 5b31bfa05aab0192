"""Enumerations of the API, by their names on the wire."""

from __future__ import annotations

from enum import StrEnum


class DomainType(StrEnum):
    """What the projects of a domain do."""

    CLASSIFICATION = "Classification"
    DETECTION = "ObjectDetection"


class Classifier(StrEnum):
    """Whether probabilities sum to one over the tags, or each tag has its own."""

    MULTICLASS = "Multiclass"
    MULTILABEL = "Multilabel"


class TrainingType(StrEnum):
    """The quick recipe, or the advanced one with a budget."""

    REGULAR = "Regular"
    ADVANCED = "Advanced"


class TagType(StrEnum):
    """What a tag stands for."""

    REGULAR = "Regular"
    NEGATIVE = "Negative"
    GENERAL_PRODUCT = "GeneralProduct"


class ExportPlatform(StrEnum):
    """What an export runs on."""

    COREML = "CoreML"
    TENSORFLOW = "TensorFlow"
    DOCKER = "DockerFile"
    ONNX = "ONNX"
    VAIDK = "VAIDK"
    OPENVINO = "OpenVino"


class ExportStatus(StrEnum):
    """How far an export is."""

    EXPORTING = "Exporting"
    FAILED = "Failed"
    DONE = "Done"


class ProjectStatus(StrEnum):
    """How far the import of a project is."""

    SUCCEEDED = "Succeeded"
    IMPORTING = "Importing"
    FAILED = "Failed"


class IterationStatus(StrEnum):
    """How far a training is. On the wire a free string; these are what clients know."""

    TRAINING = "Training"
    COMPLETED = "Completed"
    FAILED = "Failed"


class OrderBy(StrEnum):
    """Order of images and predictions; images know the first two only."""

    NEWEST = "Newest"
    OLDEST = "Oldest"
    SUGGESTED = "Suggested"


class SortBy(StrEnum):
    """Order of suggestions."""

    ASCENDING = "UncertaintyAscending"
    DESCENDING = "UncertaintyDescending"


class TaggingStatus(StrEnum):
    """Images with tags, without, or both."""

    ALL = "All"
    TAGGED = "Tagged"
    UNTAGGED = "Untagged"


class ImageCreateStatus(StrEnum):
    """What became of one image of a batch."""

    OK = "OK"
    OK_DUPLICATE = "OKDuplicate"
    ERROR_SOURCE = "ErrorSource"
    ERROR_FORMAT = "ErrorImageFormat"
    ERROR_SIZE = "ErrorImageSize"
    ERROR_STORAGE = "ErrorStorage"
    ERROR_LIMIT = "ErrorLimitExceed"
    ERROR_TAG_LIMIT = "ErrorTagLimitExceed"
    ERROR_REGION_LIMIT = "ErrorRegionLimitExceed"
    ERROR_UNKNOWN = "ErrorUnknown"
    ERROR_NEGATIVE = "ErrorNegativeAndRegularTagOnSameImage"
    ERROR_DIMENSIONS = "ErrorImageDimensions"
    ERROR_INVALID_TAG = "ErrorInvalidTag"


class MetadataStatus(StrEnum):
    """What became of the metadata of one image of a batch."""

    OK = "OK"
    NOT_FOUND = "ErrorImageNotFound"
    ERROR_LIMIT = "ErrorLimitExceed"
    ERROR_UNKNOWN = "ErrorUnknown"
