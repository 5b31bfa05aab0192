"""Refusals of the training API, and the codes that they may have (`CustomVisionErrorCodes`)."""

from __future__ import annotations

from dahlia.errors import DahliaError


class ServiceError(DahliaError):
    """A request that is refused.

    Args:
        code: one of `CODES`.
        message: what the client reads: expected, received, what to do.
        status: the HTTP status; that of the code's first word where it is left out.
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or status_of(code)
        self.retry_after = retry_after


class GatewayError(ServiceError):
    """A request refused before the service looks at it: no key, too many calls. Its body is nested."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__("BadRequest", message, status=status, retry_after=retry_after)


def not_found(what: str, identity: str) -> ServiceError:
    """There is no such thing.

    Args:
        what: `Project`, `Iteration`, `Tag`, `Image` or `Domain`.
        identity: the id that was asked for.
    """
    return ServiceError(
        f"NotFound{what}",
        f"{what} not found: there is no {what.lower()} {identity} here. List what there is, and take its id.",
    )


_TEXT = """
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
CODES = frozenset(_TEXT.split())

_STATUS = {
    "BadRequest": 400,
    "UnsupportedMediaType": 415,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "Error": 500,
}


def status_of(code: str) -> int:
    """The HTTP status that goes with a code, by its first word."""
    return next(status for word, status in _STATUS.items() if code.startswith(word))
