"""Findings of validation: every code with its severity and its remedy, in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dahlia.dataset.formats import FORMATS

Severity = Literal["error", "warning", "advice"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "advice")


@dataclass(frozen=True, slots=True)
class Rule:
    """What all findings of one code share.

    Attributes:
        severity: errors stop the pipeline, or set images aside; warnings and advice do not.
        title: what is wrong, for headings.
        remedy: what to do about it.
    """

    severity: Severity
    title: str
    remedy: str


_COPY = "Copy the file again, or remove it."
_RESIZE = "Scale the image down and save it again."
_ONE_TAG = "Keep the tag that is right, or set `project.classification: multilabel`."
_LEAK = "Take it out of the training images or out of the test set, or the figures will flatter the model."
_ALIKE = "Keep both if they are different photos; retakes of one scene add little."
_LOOK = "Check the photo. Keep it if the model will get photos like it; otherwise take a better one."
_BOX = "Correct the box in the file or the tool that it comes from, or remove it there."
_DRAW = (
    "Draw a box around each object, or list the photo without any if it shows none. Until then it is not "
    "used: a detector takes what is outside of boxes for background."
)

RULES: dict[str, Rule] = {
    "missing-file": Rule("error", "Files that are not there", "Put the file back, or take its row out."),
    "zero-byte": Rule("error", "Empty files", _COPY),
    "not-an-image": Rule("error", "Files that are no images", "Take the file out, or name the right one."),
    "unsupported-format": Rule("error", "Formats that are not read", f"Save the image as {FORMATS}."),
    "truncated": Rule("error", "Images that end too early", _COPY),
    "unreadable": Rule("error", "Images that cannot be decoded", _COPY),
    "decompression-bomb": Rule("error", "Images with too many pixels", _RESIZE),
    "too-many-bytes": Rule("error", "Files that are too big", _RESIZE),
    "edge-too-long": Rule("error", "Images that are too large", _RESIZE),
    "aspect-ratio": Rule("error", "Images that are too narrow", "Crop the image to the part that matters."),
    "image-with-two-tags": Rule("error", "Images with more than one tag", _ONE_TAG),
    "negative-and-regular": Rule(
        "error",
        "Images with the negative tag beside a regular one",
        "Remove one of the two: the negative tag means that none of the others applies.",
    ),
    "same-bytes-two-tags": Rule("error", "One image under two tags", _ONE_TAG),
    "train-and-test": Rule("error", "Images both in training and in the test set", _LEAK),
    "region-out-of-bounds": Rule("error", "Regions that leave the image", _BOX),
    "region-zero-size": Rule("error", "Regions without an area", _BOX),
    "other-size": Rule(
        "error",
        "Boxes of photos of another shape",
        "Put the photo there that was annotated, or annotate this one. If only the stated width and height "
        "are wrong, correct or remove them: without them boxes are read in pixels of the photo.",
    ),
    "pixel-boxes": Rule(
        "error",
        "Boxes that look like pixels",
        "Divide pixels by width and height of the photo, percent by 100. A table may have pixels in the "
        "columns xmin,ymin,xmax,ymax.",
    ),
    "too-many-boxes": Rule(
        "error",
        "Photos with too many boxes",
        "Cut the photo into parts, or draw boxes around objects that are large enough to be told apart.",
    ),
    "negative-box": Rule(
        "error",
        "Boxes with the negative tag",
        "Remove these boxes: what is outside of boxes is background. If it is a tag like others, set "
        "`project.negative_tag: null`.",
    ),
    "no-boxes": Rule(
        "error",
        "No boxes",
        "Add the annotations to the source, and draw a box around each object. To learn from whole photos, "
        "choose a domain of classification, for example `dahlia params domain=general_compact`.",
    ),
    "no-photos-left": Rule(
        "error",
        "No photos left",
        "Correct what the other findings name: each photo with boxes was put aside for one of them.",
    ),
    "too-few-photos": Rule("error", "Too few photos", "Add photos with boxes."),
    "unknown-test-tag": Rule(
        "error",
        "Tags of the test set that training does not know",
        "Spell the tag as in training, add it to the training set too, or take it out of the test set.",
    ),
    "similar-tag-names": Rule(
        "error",
        "Tag names that differ only in case, space or signs that are not shown",
        "Give what has one of the two the other's name.",
    ),
    "too-few-tags": Rule("error", "Too few tags", "Add images of another tag, or of a negative one."),
    "too-few-images": Rule("error", "Tags with too few images", "Add images of it, or take the tag out."),
    "too-few-boxes": Rule(
        "error", "Tags with too few boxes", "Add photos of it with boxes, or take the tag out."
    ),
    "tag-without-box": Rule("warning", "Tags without a box", _DRAW),
    "object-without-box": Rule("warning", "Objects without a box beside others", _DRAW),
    "unread-boxes": Rule(
        "warning",
        "Columns that look like boxes",
        "Name the columns left,top,width,height, with fractions of the photo's size, or xmin,ymin,xmax,ymax, "
        "with the corners in pixels.",
    ),
    "unlabelled-photo": Rule("warning", "Photos that nobody has annotated", _DRAW),
    "few-boxes": Rule(
        "warning",
        "Tags with few boxes",
        "Add photos of it with boxes: other places, light, angles, backgrounds.",
    ),
    "covered-box": Rule(
        "warning",
        "Boxes that cover each other",
        "Remove one of two boxes around one object; two objects that hide each other have a box each.",
    ),
    "small-box": Rule(
        "warning",
        "Boxes that are too small for the network",
        "Crop the photo closer to the objects, or choose a domain with a larger input (`dahlia domains`).",
    ),
    "more-boxes-than-found": Rule(
        "warning",
        "Photos with more boxes than the domain finds",
        "Choose a domain that finds more (`detection_products_on_shelves` 200), raise `domain.detector.most` "
        "(300 at most), or cut the photo into parts.",
    ),
    "photo-wide-boxes": Rule(
        "warning",
        "Boxes around whole photos",
        "Draw the boxes around the objects. If each photo shows one object and nothing else, a domain of "
        "classification fits better.",
    ),
    "boxes-alike": Rule(
        "warning",
        "Boxes that are all in one place",
        "Add photos with the objects elsewhere and of other sizes; until then a detector learns the place "
        "and not the object.",
    ),
    "wrong-extension": Rule("warning", "Names of another format", "Rename the file."),
    "cut-off-end": Rule(
        "warning",
        "Files without their end",
        "The picture is whole. Copy the file again from where it came, if what is missing matters.",
    ),
    "edge-too-short": Rule(
        "warning", "Small images", "Take a larger photo, if the model will see larger ones."
    ),
    "tags-merged": Rule(
        "warning",
        "Copies of one image with different tags",
        "Keep one file with all of its tags; until then it counts as having them all.",
    ),
    "tags-shared": Rule(
        "warning",
        "Images with several tags that exclude each other",
        "Keep the tag that is right, or set `project.classification: multilabel`; until then each tag gets "
        "an equal share of the image.",
    ),
    "useless-groups": Rule(
        "warning",
        "Groups that separate nothing",
        "Name what photos share and a new photo will not: the place, the session, the product, the animal. "
        "To have photos grouped by what they show, set `ingest.groups: none`.",
    ),
    "few-groups": Rule(
        "warning",
        "Tags in few groups",
        "Add photos of other scenes. The accuracy on photos of new scenes is less certain for these tags, "
        "and is not measured for one whose photos are all in one group.",
    ),
    "similar-group-names": Rule(
        "warning",
        "Group names that differ only in case, space or signs that are not shown",
        "Give both the same name, if they are one group; until then they are two.",
    ),
    "same-bytes-two-groups": Rule(
        "warning",
        "One image in two groups",
        "Keep one file; until then the group of the first one counts.",
    ),
    "near-duplicate-tags": Rule(
        "warning",
        "Near-duplicates under different tags",
        "Look whether one of the tags is wrong.",
    ),
    "near-duplicate-test": Rule("warning", "Near-duplicates between training and test set", _LEAK),
    "near-duplicate": Rule("warning", "Near-duplicates", _ALIKE),
    "uneven-boxes": Rule(
        "warning", "Uneven boxes", "Add photos of the rarer tag; the model will favour the other."
    ),
    "imbalance": Rule(
        "warning", "Uneven tags", "Add images of the rarer tag; the model will favour the other."
    ),
    "unlisted-photo": Rule(
        "warning",
        "Photos that nothing names",
        "Name them as the other photos are named, if they should count.",
    ),
    "unread-list": Rule(
        "warning",
        "Lists of photos that are not read",
        "Look whether they say splits or other tags. If so, write a table with columns file, tag, subset.",
    ),
    "nested-folders": Rule(
        "warning",
        "Tags with several folders inside",
        "If the folders inside are the tags, move them out of the one around them. If each is a place, a "
        "session or the like, set `ingest.groups: folders`.",
    ),
    "loose-names": Rule(
        "advice", "Names that differ from the files'", "Nothing has to be done: each name fits one file."
    ),
    "named-elsewhere": Rule(
        "advice", "Images that are named and not here", "Nothing has to be done, if you took a part of a set."
    ),
    "several-tags": Rule("advice", "Cells with several tags", "Nothing has to be done, if they are several."),
    "joined-tags": Rule(
        "warning",
        "Tags that may be several",
        "Call the column `tags`, if each cell holds several; in a column `tag` a cell is one name.",
    ),
    "annotation-without-tag": Rule(
        "warning", "Annotations without a tag", "Tag them in the labelling tool, and export again."
    ),
    "several-annotators": Rule(
        "warning",
        "Photos that were annotated in different ways",
        "Keep the right annotation of each in the labelling tool; until then the first one counts.",
    ),
    "unread-annotations": Rule(
        "advice", "Annotations that are not read", "Nothing has to be done, if tags and regions are enough."
    ),
    "crowd-box": Rule(
        "advice", "Boxes around groups", "Nothing has to be done: the tags count, the boxes do not."
    ),
    "renamed-photo": Rule(
        "advice", "Annotation files that name another photo", "Look whether they are about the right one."
    ),
    "missing-split": Rule(
        "advice",
        "Splits that are not there",
        "Correct the path, or take it out, if photos should be there.",
    ),
    "shared-split": Rule(
        "warning",
        "Photos of two splits",
        "Name other photos for each split, if they should be measured apart.",
    ),
    "region-outline": Rule(
        "advice", "Outlines in place of boxes", "Nothing has to be done: the box around each counts."
    ),
    "region-keypoints": Rule("advice", "Boxes with keypoints", "Nothing has to be done."),
    "region-confidence": Rule(
        "advice",
        "Regions that a model has predicted",
        "Look through them: what a model predicted is not always right.",
    ),
    "region-clipped": Rule("advice", "Regions that were clipped", "Nothing has to be done."),
    "turned-boxes": Rule(
        "advice",
        "Boxes of photos as they are stored",
        "Look at some of them in a viewer of annotations: the boxes were turned like the photo, by its EXIF "
        "orientation. Nothing has to be done, if they are right.",
    ),
    "scaled-photo": Rule(
        "advice",
        "Photos of another size than was annotated",
        "Nothing has to be done, if they were scaled after they had been annotated: boxes are taken as parts "
        "of the stated size. If that size is wrong, correct or remove it.",
    ),
    "region-unused": Rule(
        "advice", "Regions that a classifier does not use", "Nothing has to be done: the tags count."
    ),
    "blurred": Rule("warning", "Blurred images", _LOOK),
    "dark": Rule("warning", "Dark images", _LOOK),
    "bright": Rule("warning", "Overexposed images", _LOOK),
    "odd-size": Rule("advice", "Images of an unusual size", _LOOK),
    "same-bytes": Rule("advice", "The same file twice", "Delete one of them; it counts once."),
    "few-images": Rule(
        "advice", "Tags with few images", "Add varied images of it: other places, light, angles, backgrounds."
    ),
    "negative-as-background": Rule(
        "advice",
        "Photos under the negative tag",
        "Nothing has to be done: they count as photos without objects, and the tag is not learned.",
    ),
    "unread-groups": Rule(
        "advice",
        "Columns that may name groups",
        "Call the column `group`, if photos that share a value in it resemble each other for reasons that a "
        "new photo will not share.",
    ),
    "groups-partly": Rule(
        "advice",
        "Images without a group",
        "Name the group of each image, if you can; images without one are grouped by what they show.",
    ),
    "groups-in-both": Rule(
        "advice",
        "Groups both in training and in the test set",
        "Take photos of other scenes for the test set, if its figures are to be of new scenes.",
    ),
    "untagged": Rule("advice", "Images without a tag", "Tag them, or take them out."),
}
# What is expected where the readers of sources have something to tell.
EXPECTED_OF_SOURCES = {
    "unlisted-photo": "an annotation for each photo",
    "unread-list": "files that are read wherever they name the photos",
    "nested-folders": "the photos of a tag in its folder",
    "loose-names": "the names of files as they are",
    "annotation-without-tag": "a tag for each annotation",
    "several-annotators": "one annotation of a photo, or several that agree",
    "unread-annotations": "tags, boxes and outlines",
    "crowd-box": "a box for each object",
    "renamed-photo": "the name of the photo in its annotation file",
    "missing-split": "the photos of each split",
    "shared-split": "each photo in one split",
    "unread-groups": "groups of photos in a column `group`",
    "region-outline": "a box for each region",
    "region-keypoints": "a box for each region",
    "region-confidence": "regions that a person has drawn",
    "region-clipped": "regions inside the image",
    "object-without-box": "a box for each object",
    "pixel-boxes": "boxes in fractions of the photo's size, 0 to 1",
    "unread-boxes": "boxes in left,top,width,height or xmin,ymin,xmax,ymax",
    "other-size": "photos of the shape that the annotations state",
    "turned-boxes": "boxes on photos as they are displayed",
    "scaled-photo": "photos of the size that the annotations state",
    "named-elsewhere": "images that are in the source",
    "several-tags": "one tag in a cell, or several",
    "joined-tags": "one tag in a cell",
}
BULK = 12  # findings of one code, which would push the others off the first screen
_RANK = {code: (SEVERITIES.index(rule.severity), place) for place, (code, rule) in enumerate(RULES.items())}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that validation found.

    Attributes:
        code: a key of `RULES`.
        expected: what should be.
        found: what is.
        files: the files that it is about, as in the inspection; none when it is about tags.
        tags: the tags that it names.
        set_aside: for an error about images, the files to leave out when errors are skipped. An error
            without any cannot be skipped. For a warning, the files that are always left out.
    """

    code: str
    expected: str
    found: str
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return RULES[self.code].severity

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return RULES[self.code].remedy

    @property
    def subject(self) -> str:
        """The files, else the tags, else the whole dataset."""
        return ", ".join(self.files or self.tags) or "the dataset"


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first, then in the order of `RULES`, then by file and tag.

    Codes with more than `BULK` findings follow the others that are as grave.
    """
    findings = list(findings)
    counts = Counter(each.code for each in findings)

    def rank(each: Finding) -> tuple[object, ...]:
        severity, place = _RANK[each.code]
        return severity, counts[each.code] > BULK, place, each.files, each.tags, each.found

    return sorted(findings, key=rank)
