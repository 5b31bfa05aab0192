"""What the server sends about projects, tags, images and regions; see `Answer` for null and absent."""

from __future__ import annotations

from pydantic import Field

from dahlia.server.contract.enums import (
    Classifier,
    DomainType,
    ImageCreateStatus,
    MetadataStatus,
    ProjectStatus,
    TagType,
)
from dahlia.server.contract.fields import Answer, Moment


class ServiceErrorBody(Answer):
    """A refusal."""

    code: str = Field(description="one of CustomVisionErrorCodes")
    message: str


class GatewayErrorBody(Answer):
    """A refusal before the operation runs: because of the key, or of too many requests."""

    error: ServiceErrorBody


class ModelInformation(Answer):
    """What an exported model is like."""

    estimated_model_size_in_megabytes: int = Field(description="ONNX, float32, two tags")
    description: str


class Domain(Answer):
    """The domains that projects can have."""

    id: str
    name: str
    type: DomainType
    exportable: bool
    enabled: bool
    exportable_platforms: tuple[str, ...]
    model_information: ModelInformation | None


class ImageProcessingSettings(Answer):
    """How training varies images."""

    augmentation_methods: dict[str, bool]


class ProjectSettings(Answer):
    """How a project is trained."""

    domain_id: str
    classification_type: Classifier | None
    target_export_platforms: tuple[str, ...]
    use_negative_set: bool
    detection_parameters: str | None
    image_processing_settings: ImageProcessingSettings
    export_model_container_uri: str | None
    notification_queue_uri: str | None


class Project(Answer):
    """A project."""

    id: str
    name: str
    description: str
    settings: ProjectSettings
    created: Moment
    last_modified: Moment
    thumbnail_uri: str | None
    dr_mode_enabled: bool
    status: ProjectStatus


class ProjectExport(Answer):
    """What another server, or this one, may import."""

    iteration_count: int
    image_count: int
    tag_count: int
    region_count: int
    estimated_import_time_in_ms: int = Field(alias="estimatedImportTimeInMS")
    token: str


class Tag(Answer):
    """A tag with the number of its images."""

    id: str
    name: str
    description: str
    type: TagType
    image_count: int


class TagList(Answer):
    """The tags of a project as version 1 lists them, with the numbers of all images."""

    tags: tuple[Tag, ...]
    total_tagged_images: int
    total_untagged_images: int


class ImageTag(Answer):
    """A tag of an image."""

    tag_id: str
    tag_name: str
    created: Moment


class ImageRegion(Answer):
    """A region of an image; fractions of its width and height, origin at the top left."""

    region_id: str
    tag_name: str
    created: Moment
    tag_id: str
    left: float
    top: float
    width: float
    height: float


class Image(Answer):
    """An image; tags, regions and metadata are absent where there are none."""

    id: str
    created: Moment
    width: int
    height: int
    resized_image_uri: str
    thumbnail_uri: str
    original_image_uri: str
    tags: tuple[ImageTag, ...] = ()
    regions: tuple[ImageRegion, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)


class ImageCreateResult(Answer):
    """What became of one image of a batch."""

    source_url: str | None
    status: ImageCreateStatus
    image: Image | None


class ImageCreateSummary(Answer):
    """What became of a batch of images."""

    is_batch_successful: bool
    images: tuple[ImageCreateResult, ...]


class ImageMetadataUpdateEntry(Answer):
    """What became of the metadata of one image."""

    image_id: str
    status: MetadataStatus
    metadata: dict[str, str] | None


class ImageMetadataUpdateSummary(Answer):
    """What became of the metadata of a batch."""

    is_batch_successful: bool
    images: tuple[ImageMetadataUpdateEntry, ...]


class ImageTagCreateEntry(Answer):
    """An image and a tag that it got, had, or could not take."""

    image_id: str
    tag_id: str


class ImageTagCreateSummary(Answer):
    """What became of a batch of image tags."""

    created: tuple[ImageTagCreateEntry, ...]
    duplicated: tuple[ImageTagCreateEntry, ...]
    exceeded: tuple[ImageTagCreateEntry, ...]


class ImageRegionCreateEntry(Answer):
    """A region that an image had, or could not take."""

    image_id: str
    tag_id: str
    left: float
    top: float
    width: float
    height: float


class ImageRegionCreateResult(ImageRegion):
    """A region that was made."""

    image_id: str


class ImageRegionCreateSummary(Answer):
    """What became of a batch of regions."""

    created: tuple[ImageRegionCreateResult, ...]
    duplicated: tuple[ImageRegionCreateEntry, ...]
    exceeded: tuple[ImageRegionCreateEntry, ...]


class BoundingBox(Answer):
    """Fractions of width and height, origin at the top left."""

    left: float
    top: float
    width: float
    height: float


class RegionProposal(Answer):
    """Where something may be."""

    confidence: float
    bounding_box: BoundingBox


class ImageRegionProposal(Answer):
    """Where something may be on an image."""

    project_id: str
    image_id: str
    proposals: tuple[RegionProposal, ...]
