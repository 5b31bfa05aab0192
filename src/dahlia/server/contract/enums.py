"""Enumerations of the API, by their names on the wire, and the codes of its refusals.

`CODES` are those of `CustomVisionErrorCodes`.
"""

from __future__ import annotations

from enum import StrEnum

from dahlia.errors import ServiceError
from dahlia.kinds import Kind


class _AnyCase(StrEnum):
    """Finds its members in any case of letters."""

    @classmethod
    def _missing_(cls, value: object) -> _AnyCase | None:
        wanted = value.lower() if isinstance(value, str) else None
        return next((member for member in cls if member.lower() == wanted), None)


class DomainType(_AnyCase):
    """What the projects of a domain do."""

    CLASSIFICATION = "Classification"
    DETECTION = "ObjectDetection"


class Classifier(_AnyCase):
    """Whether probabilities sum to one over the tags, or each tag has its own."""

    MULTICLASS = "Multiclass"
    MULTILABEL = "Multilabel"


CLASSIFIERS: dict[Kind, Classifier | None] = {
    "multiclass": Classifier.MULTICLASS,
    "multilabel": Classifier.MULTILABEL,
    "detection": None,
}
KINDS: dict[str | None, Kind] = {classifier: kind for kind, classifier in CLASSIFIERS.items()}


class TrainingType(_AnyCase):
    """The quick recipe, or the advanced one with a budget."""

    REGULAR = "Regular"
    ADVANCED = "Advanced"


class TagType(_AnyCase):
    """What a tag stands for."""

    REGULAR = "Regular"
    NEGATIVE = "Negative"
    GENERAL_PRODUCT = "GeneralProduct"


class ExportPlatform(_AnyCase):
    """What an export runs on."""

    COREML = "CoreML"
    TENSORFLOW = "TensorFlow"
    DOCKER = "DockerFile"
    ONNX = "ONNX"
    VAIDK = "VAIDK"
    OPENVINO = "OpenVino"


class ExportStatus(_AnyCase):
    """How far an export is."""

    EXPORTING = "Exporting"
    FAILED = "Failed"
    DONE = "Done"


class ProjectStatus(_AnyCase):
    """How far the import of a project is."""

    SUCCEEDED = "Succeeded"
    IMPORTING = "Importing"
    FAILED = "Failed"


class IterationStatus(_AnyCase):
    """How far a training is. On the wire a free string; these are what clients know."""

    TRAINING = "Training"
    COMPLETED = "Completed"
    FAILED = "Failed"


class OrderBy(_AnyCase):
    """Order of images and predictions; images know the first two only."""

    NEWEST = "Newest"
    OLDEST = "Oldest"
    SUGGESTED = "Suggested"


class SortBy(_AnyCase):
    """Order of suggestions."""

    ASCENDING = "UncertaintyAscending"
    DESCENDING = "UncertaintyDescending"


class TaggingStatus(_AnyCase):
    """Images with tags, without, or both."""

    ALL = "All"
    TAGGED = "Tagged"
    UNTAGGED = "Untagged"


class ImageCreateStatus(_AnyCase):
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


class MetadataStatus(_AnyCase):
    """What became of the metadata of one image of a batch."""

    OK = "OK"
    NOT_FOUND = "ErrorImageNotFound"
    ERROR_LIMIT = "ErrorLimitExceed"
    ERROR_UNKNOWN = "ErrorUnknown"


class JobKind(_AnyCase):
    """What a job does."""

    TRAIN = "Train"
    EXPORT = "Export"
    IMPORT = "Import"


class JobState(_AnyCase):
    """How far a job is."""

    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class JobLane(_AnyCase):
    """The lane in which a job waits; only workers have `All`."""

    SHORT = "Short"
    LONG = "Long"
    ALL = "All"


_CODES = """
BadRequest BadRequestExceededBatchSize BadRequestNotSupported BadRequestInvalidIds
BadRequestRequiredParamIsNull BadRequestSubscriptionApi BadRequestNotLimitedTrial
BadRequestOperationNotSupported BadRequestInvalidUri BadRequestCustomerManagedKeyRevoked
BadRequestInvalidArtifactUri BadRequestInvalid NoError UnsupportedMediaType BadRequestProjectName
BadRequestProjectNameNotUnique BadRequestProjectDescription BadRequestProjectUnknownDomain
BadRequestProjectUnknownClassification BadRequestProjectUnsupportedDomainTypeChange
BadRequestProjectUnsupportedExportPlatform BadRequestProjectImagePreprocessingSettings
BadRequestProjectDuplicated BadRequestCannotMigrateProjectWithName BadRequestIterationName
BadRequestIterationNameNotUnique BadRequestIterationDescription BadRequestIterationIsNotTrained
BadRequestIterationValidationFailed BadRequestWorkspaceCannotBeModified BadRequestWorkspaceNotDeletable
BadRequestIterationIsPublished BadRequestInvalidPublishName BadRequestInvalidPublishTarget
BadRequestUnpublishFailed BadRequestIterationNotPublished BadRequestTagName BadRequestTagNameNotUnique
BadRequestTagDescription BadRequestTagType BadRequestMultipleNegativeTag
BadRequestMultipleGeneralProductTag BadRequestImageTags BadRequestImageRegions
BadRequestNegativeAndRegularTagOnSameImage BadRequestUnsupportedDomain BadRequestExceedProjectLimit
BadRequestExceedIterationPerProjectLimit BadRequestExceedTagPerProjectLimit
BadRequestExceedTagPerImageLimit BadRequestExceededQuota BadRequestImageBatch BadRequestImageStream
BadRequestImageUrl BadRequestImageFormat BadRequestImageSizeBytes BadRequestImageDimensions
BadRequestImageAspectRatio BadRequestImageExceededCount BadRequestImageMetadataKey
BadRequestImageMetadataValue BadRequestTrainingNotNeeded
BadRequestTrainingNotNeededButTrainingPipelineUpdated BadRequestTrainingValidationFailed
BadRequestClassificationTrainingValidationFailed
BadRequestMultiClassClassificationTrainingValidationFailed
BadRequestMultiLabelClassificationTrainingValidationFailed BadRequestDetectionTrainingValidationFailed
BadRequestTrainingAlreadyInProgress BadRequestDetectionTrainingNotAllowNegativeTag
BadRequestInvalidEmailAddress BadRequestRetiredDomainNotSupportedForTraining
BadRequestDomainNotSupportedForAdvancedTraining BadRequestExportPlatformNotSupportedForAdvancedTraining
BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining
BadRequestCustomBaseModelIterationStatusNotCompleted BadRequestCustomBaseModelDomainNotCompatible
BadRequestCustomBaseModelArchitectureRetired BadRequestExportValidationFailed
BadRequestExportAlreadyInProgress BadRequestExportWhileTraining BadRequestInvalidImportToken
BadRequestPredictionIdsMissing BadRequestPredictionIdsExceededCount BadRequestPredictionTagsExceededCount
BadRequestPredictionResultsExceededCount BadRequestPredictionInvalidApplicationName
BadRequestPredictionInvalidQueryParameters Forbidden ForbiddenUser ForbiddenUserResource
ForbiddenUserSignupDisabled ForbiddenUserSignupAllowanceExceeded ForbiddenUserDoesNotExist
ForbiddenUserDisabled ForbiddenUserInsufficientCapability ForbiddenDRModeEnabled ForbiddenInvalid NotFound
NotFoundProject NotFoundProjectDefaultIteration NotFoundIteration NotFoundIterationPerformance NotFoundTag
NotFoundImage NotFoundDomain NotFoundApimSubscription NotFoundInvalid Conflict ConflictInvalid
ErrorUnknown ErrorIterationCopyFailed ErrorPreparePerformanceMigrationFailed ErrorProjectInvalidWorkspace
ErrorProjectInvalidPipelineConfiguration ErrorProjectInvalidDomain ErrorProjectTrainingRequestFailed
ErrorProjectImportRequestFailed ErrorProjectExportRequestFailed ErrorFeaturizationServiceUnavailable
ErrorFeaturizationQueueTimeout ErrorFeaturizationInvalidFeaturizer
ErrorFeaturizationAugmentationUnavailable ErrorFeaturizationUnrecognizedJob
ErrorFeaturizationAugmentationError ErrorExporterInvalidPlatform ErrorExporterInvalidFeaturizer
ErrorExporterInvalidClassifier ErrorPredictionServiceUnavailable ErrorPredictionModelNotFound
ErrorPredictionModelNotCached ErrorPrediction ErrorPredictionStorage ErrorRegionProposal
ErrorUnknownBaseModel ErrorServerTimeOut ErrorInvalid
"""
CODES = frozenset(_CODES.split())


def not_found(what: str, identity: str, place: str = "") -> ServiceError:
    """There is no such thing.

    Args:
        what: `Project`, `Iteration`, `Tag`, `Image` or `Domain`.
        identity: the id that was asked for.
        place: of it in the request's body, such as `regions[3].tagId`; empty where there is one id alone.
    """
    named = f", which {place} names" if place else ""
    return ServiceError(
        f"NotFound{what}",
        f"{what} not found: there is no {what.lower()} {identity} here{named}. List what there is, and "
        "take its id.",
    )
