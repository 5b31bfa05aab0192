"""`params.yaml`: every key and value checked, and the nearest known one named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dahlia.composition import template
from dahlia.config import check_domain, check_params, known_keys, load_params, nearest
from dahlia.errors import ConfigError
from small_projects import shipped

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    values = copy.deepcopy(shipped())
    change(values)
    return values


def put(key: str, value: object) -> Change:
    *path, last = key.split(".")

    def change(values: dict[str, Any]) -> None:
        for part in path:
            values = values[part]
        values[last] = value

    return change


def test_what_conf_composes_is_accepted() -> None:
    params = check_params(shipped(), "params.yaml")
    assert params.project.name == shipped()["project"]["name"]
    assert params.validate_.max_edge == shipped()["validate"]["max_edge"]


def test_projects_of_an_older_version_train_without_negatives() -> None:
    assert check_params(shipped(), "params.yaml").project.negatives == "builtin"
    older = changed(lambda values: values["project"].pop("negatives"))
    assert check_params(older, "params.yaml").project.negatives == "none"


def test_other_negatives_train_again() -> None:
    stages = yaml.safe_load((template() / "dvc.yaml").read_text("utf-8"))["stages"]
    assert {"project", "project.negatives"} & set(stages["train"]["params"])


REFUSED: dict[str, tuple[Change, str]] = {
    "unknown section": (put("trainig", {}), "unknown key `trainig`; did you mean training"),
    "unknown key": (put("split.fold", 3), "unknown key `split.fold`; did you mean folds?"),
    "unknown deep key": (
        put("domain.backbone.weight", ""),
        "`domain.backbone.weight`; did you mean weights?",
    ),
    "unlike any": (put("track.zzz", ""), "unknown key `track.zzz`; known: uri."),
    "missing key": (lambda v: v["split"].pop("folds"), "`split.folds` is missing; compose it again"),
    "missing section": (lambda v: v.pop("track"), "the key `track` is missing"),
    "unknown choice": (put("validate.on_error", "stpo"), "cannot be 'stpo'; did you mean stop?"),
    "choice unlike any": (
        put("ingest.format", "?"),
        "; known: auto, folder, csv, coco, voc, cvat, yolo, openimages, labelstudio, createml, labelme.",
    ),
    "unknown negatives": (put("project.negatives", "buildin"), "cannot be 'buildin'; did you mean builtin?"),
    "no negatives by null": (put("project.negatives", None), "`project.negatives` cannot be"),
    "other case": (
        put("project.negatives", "BUILTIN"),
        "negatives` cannot be 'BUILTIN'; did you mean builtin?",
    ),
    "too few folds": (put("split.folds", 2), "`split.folds` cannot be 2: expected auto or a number"),
    "unknown view": (put("domain.recipe.views", ["plan"]), "views.0` cannot be 'plan'; did you mean plain?"),
    "text for a number": (
        put("split.folds", "five"),
        "`split.folds` cannot be 'five': .*integer",
    ),
    "number in quotes": (put("split.folds", "5"), "`split.folds` cannot be '5': .*integer"),
    "yes for a number": (put("project.seed", True), "`project.seed` cannot be True: .*integer"),
    "fraction of a fold": (put("split.folds", 4.5), "`split.folds` cannot be 4.5"),
    "two folds": (put("split.folds", 2), "`split.folds` cannot be 2: .*an integer from 3 to 20"),
    "no strength": (put("training.regularisation", []), "`training.regularisation` cannot be"),
    "strength of nothing": (put("training.regularisation", [0.0]), "`training.regularisation.0` cannot be 0"),
    "limit without end": (put("domain.input.smoothing", float("inf")), "cannot be inf: .*finite"),
    "no number": (put("domain.input.smoothing", float("nan")), "cannot be nan"),
    "name of a path": (put("project.name", "a/b"), "cannot be 'a/b': expected at most 64 letters"),
    "name too long": (put("project.name", "a" * 65), "expected at most 64 letters"),
    "no name": (put("project.name", ""), "cannot be '': expected at most 64"),
    "section as a list": (put("split", [5]), "`split` cannot be"),
    "withdrawn": (put("domain.withdrawn", "Use general."), r"domain .* cannot be used\. Use general\."),
    "two at once": (
        lambda v: (put("split.fold", 1)(v), put("export.format", [])(v)),
        "split.fold`; did you mean folds.*\n.*export.format`; did you mean formats",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(change: Change, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_params(changed(change), "params.yaml")
    assert all(line.startswith("params.yaml: ") for line in str(caught.value).splitlines())


@pytest.mark.parametrize("name", ["a", "rose garden", "Ölbaum-2", "2024", "x_1.b", "a" * 64])
def test_names_of_projects(name: str) -> None:
    assert check_params(changed(put("project.name", name)), "").project.name == name


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_a_file_without_sections(values: object) -> None:
    with pytest.raises(ConfigError, match="expected sections such as `project:`, received"):
        check_params(values, "params.yaml")


def test_a_file_that_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(shipped()).replace("max_iterations", "max_iteration"))
    with pytest.raises(
        ConfigError, match=r"params\.yaml: unknown key `training\.max_iteration`; did you mean"
    ):
        load_params(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "was expected and is not there.*dahlia init DIR"),
        (b"a: [", "is not YAML: while parsing"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"", "expected sections"),
    ],
    ids=["missing", "not yaml", "not text", "empty"],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_params(path)


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_params(tmp_path)


def test_a_domain_alone_is_named_in_full() -> None:
    domain = shipped()["domain"] | {"sise": 3}
    with pytest.raises(ConfigError, match=r"conf/domain/x\.yaml: unknown key `domain\.sise`"):
        check_domain(domain, "conf/domain/x.yaml")


@pytest.mark.parametrize(
    ("location", "known"),
    [
        (["split"], ["folds"]),
        (["domain", "input"], ["size", "smoothing"]),
        (["split", "folds"], []),
        (["nothing"], []),
        (["project", "negative_tag"], []),
    ],
)
def test_known_keys(location: list[str], known: list[str]) -> None:
    assert known_keys(location) == known


def test_keys_of_an_optional_section_are_known() -> None:
    assert "budget_minutes" in known_keys(["training", "fine_tuning"])
    assert "validate" in known_keys([])


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("fod", "; did you mean food?"),
        ("goneral", "; did you mean general?"),
        ("q", "; known: food, general."),
    ],
)
def test_nearest(word: str, hint: str) -> None:
    assert nearest(word, ["food", "general"]) == hint
