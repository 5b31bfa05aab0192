"""Rules about groups that users name: whether they say anything, and whether they suffice for the folds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from dahlia.dataset.findings import Finding
from dahlia.dataset.fold_numbers import FEWEST
from dahlia.dataset.groups import named_groups
from dahlia.dataset.readers.reading import counted
from dahlia.dataset.rules.survey import Survey
from dahlia.dataset.rules.tags import as_it_looks

_MOST_NAMED = 12  # tags or groups in a text


def names(survey: Survey) -> Iterator[Finding]:
    """Group names that differ only in case or space."""
    alike: dict[str, set[str]] = defaultdict(set)
    for group in {row.group for row in survey.rows if row.group}:
        alike[as_it_looks(group)].add(group)
    for spellings in alike.values():
        if len(spellings) > 1:
            found = _listed(f"“{name}”" for name in sorted(spellings))
            yield Finding("similar-group-names", "one spelling for a group", found)


def what_groups_say(survey: Survey) -> Iterator[Finding]:
    """Groups that separate nothing, or of which a tag has too few; images without one."""
    training = [record for record in survey.records if record.subset == "train"]
    found = named_groups(training)
    if found is None:
        return
    if found.unnamed:
        text = f"{found.named:,} of {len(training):,} training images in {counted(found.groups, 'group')}"
        yield Finding("groups-partly", "a group for each image, or for none", text)
    if useless := _useless(survey, found.groups, found.named, found.unnamed):
        yield Finding("useless-groups", "groups of several images, several for each tag", useless)
    else:
        yield from _few(survey)
    shared = {record.group for record in training if record.group} & {
        record.group for record in survey.records if record.subset == "test"
    }
    if shared:
        text = f"{counted(len(shared), 'group')} with images in both: {_listed(sorted(filter(None, shared)))}"
        yield Finding("groups-in-both", "groups in training or in the test set", text)


def _useless(survey: Survey, groups: int, named: int, unnamed: int) -> str:
    if not unnamed and groups == 1 and named > 1:
        return f"all {named:,} images in one group"
    if groups == named and named > 1 and named >= unnamed:
        return f"{groups:,} groups of one image each"
    parts = _parts(survey)
    if not unnamed and len(parts) > 1 and all(len(part) == 1 for part in parts.values()):
        return f"the images of each of {len(parts):,} tags all in one group"
    return ""


def _few(survey: Survey) -> Iterator[Finding]:
    wanted, counts = survey.params.split.folds, survey.counts("train")
    folds = FEWEST if wanted == "auto" else wanted
    few = {
        tag: len(part) for tag, part in sorted(_parts(survey).items()) if len(part) < min(folds, counts[tag])
    }
    alone = [tag for tag, count in few.items() if count == 1]
    if alone:
        text = f"all images of {_listed(f'“{tag}”' for tag in alone)} in one group"
        yield Finding("few-groups", "at least 2 groups for each tag", text, tags=tuple(alone))
    several = [tag for tag, count in few.items() if count > 1]
    if several:
        text = ", ".join(f"“{tag}” in {few[tag]}" for tag in several[:_MOST_NAMED])
        rest = f" and {len(several) - _MOST_NAMED:,} more" if len(several) > _MOST_NAMED else ""
        expected = f"at least {folds} groups for each tag"
        yield Finding("few-groups", expected, f"{text}{rest}", tags=tuple(several))


def _parts(survey: Survey) -> dict[str, set[str]]:
    """For each tag what folds can hold apart: its groups, and the images without one."""
    parts: dict[str, set[str]] = defaultdict(set)
    for record in survey.records:
        if record.subset == "train":
            for tag in survey.tag_rules.learned(record.tags, survey.params.project.negative_tag):
                parts[tag].add(f"group {record.group}" if record.group else record.id)
    return parts


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    rest = f" and {len(shown) - _MOST_NAMED:,} more" if len(shown) > _MOST_NAMED else ""
    return f"{', '.join(shown[:_MOST_NAMED])}{rest}"
