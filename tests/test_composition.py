"""`conf/` composes `params.yaml`, and every choice in it is one that somebody would choose."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
import yaml

from dahlia import composition
from dahlia.composition import choices, compose, domains, write_params
from dahlia.config import check_domain, check_params, load_params
from dahlia.errors import ConfigError
from dahlia.params import DomainParams
from small_projects import REPOSITORY, shipped

IDS = {  # of Custom Vision's classification domains
    "general": ("General", "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"),
    "general_a1": ("General [A1]", "a8e3c40f-fb4a-466f-832a-5e457ae4a344"),
    "general_a2": ("General [A2]", "2e37d7fb-3a54-486a-b4d6-cfc369af0018"),
    "food": ("Food", "c151d5b5-dd07-472a-acc8-15d29dea8518"),
    "landmarks": ("Landmarks", "ca455789-012d-4b50-9fec-5bb63841c793"),
    "retail": ("Retail", "b30a91ae-e3c1-4f73-a81e-c270bff27c39"),
    "adult": ("Adult", "45badf75-3591-4f26-a705-45678d3e9f5f"),
    "general_compact": ("General (compact)", "0732100f-1a38-4e49-a514-c9b44c697ab5"),
    "general_compact_s1": ("General (compact) [S1]", "a1db07ca-a19a-4830-bae8-e004a42dc863"),
    "food_compact": ("Food (compact)", "8882951b-82cd-4c32-970b-d5f8cb8bf6d7"),
    "landmarks_compact": ("Landmarks (compact)", "b5cfd229-2ac7-4b2b-8d0a-2b0661344894"),
    "retail_compact": ("Retail (compact)", "6b4faeda-8396-481b-9f8b-177b9fa3097f"),
}
DETECTION = {  # of its detection domains
    "detection_general": ("General", "da2e3a8a-40a5-4171-82f4-58522f70fbc1"),
    "detection_general_a1": ("General [A1]", "9c616dff-2e7d-ea11-af59-1866da359ce6"),
    "detection_logo": ("Logo", "1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4"),
    "detection_products_on_shelves": ("Products on Shelves", "3780a898-81c3-4516-81ae-3a139614e1f3"),
    "detection_general_compact": ("General (compact)", "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"),
    "detection_general_compact_s1": ("General (compact) [S1]", "7ec2ac80-887b-48a6-8df9-8b1357765430"),
}
USABLE = sorted(set(IDS) - {"adult"})
GROUPS = sorted(path.name for path in (REPOSITORY / "conf").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def found() -> dict[str, DomainParams]:
    return domains(REPOSITORY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project folder with nothing but `conf/`."""
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    return tmp_path


def test_params_yaml_is_the_composition() -> None:
    present = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    assert present == shipped(), "write it with `dahlia params`"


def test_sections_are_groups_are_stages() -> None:
    stages = {path.stem for path in (REPOSITORY / "src" / "dahlia" / "stages").glob("[a-z]*.py")}
    assert set(GROUPS) == set(shipped())
    assert stages - {"environment", "train"} <= set(GROUPS)


@pytest.mark.parametrize(
    ("group", "choice"),
    [(group, choice) for group in GROUPS for choice in choices(REPOSITORY, group) if choice != "adult"],
)
def test_every_choice_composes(group: str, choice: str) -> None:
    own = yaml.safe_load((REPOSITORY / "conf" / group / f"{choice}.yaml").read_text(encoding="utf-8"))
    own.pop("defaults", None)
    section = compose(REPOSITORY, [f"{group}={choice}"])[group]
    assert section | own == section


def test_the_domains_are_those_of_custom_vision(found: dict[str, DomainParams]) -> None:
    assert {choice: (domain.name, domain.id) for choice, domain in found.items()} == IDS | DETECTION


def test_the_kind_of_a_project_follows_from_its_domain() -> None:
    kinds = {
        name: check_params(compose(REPOSITORY, [f"domain={name}"]), "").kind for name in [*USABLE, *DETECTION]
    }
    assert {name for name, kind in kinds.items() if kind == "detection"} == set(DETECTION)


def test_a_domain_has_a_detector_exactly_when_it_detects(found: dict[str, DomainParams]) -> None:
    compact = found["detection_general_compact"].model_dump()
    for changed in (compact | {"detector": None}, compact | {"task": "classification"}):
        with pytest.raises(ConfigError, match="a domain of detection needs `detector`"):
            check_domain(changed, "conf/domain/own.yaml")


def test_domains_differ_in_what_they_do(found: dict[str, DomainParams]) -> None:
    for one, other in itertools.combinations([*USABLE, *DETECTION], 2):
        mine, theirs = (
            (domain.backbone, domain.input, domain.recipe, domain.detector, domain.exports)
            for domain in (found[one], found[other])
        )
        assert mine != theirs


@pytest.mark.parametrize("name", [name for name in USABLE if f"{name}_compact" in IDS])
def test_a_compact_domain_sees_no_more_than_its_pair(found: dict[str, DomainParams], name: str) -> None:
    full, compact = found[name], found[f"{name}_compact"]
    assert compact.input.size <= full.input.size
    assert (compact.backbone.architecture, full.backbone.architecture) == (
        "tf_efficientnet_lite0",
        "tf_efficientnet_lite2",
    )
    assert set(compact.recipe.views) <= set(full.recipe.views)


@pytest.mark.parametrize("name", USABLE)
def test_the_plain_view_comes_first(found: dict[str, DomainParams], name: str) -> None:
    assert found[name].recipe.views[0] == "plain"


@pytest.mark.parametrize("name", ["landmarks", "landmarks_compact", "retail", "retail_compact"])
def test_what_must_not_be_mirrored_is_not(found: dict[str, DomainParams], name: str) -> None:
    recipe = found[name].recipe
    assert not any("mirror" in word for word in [*recipe.views, *recipe.augmentation])


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("split.folds=10", ("split", "folds"), 10),
        ("project.name=rose garden", ("project", "name"), "rose garden"),
        ("project.negative_tag=null", ("project", "negative_tag"), None),
        ("project.negatives=none", ("project", "negatives"), "none"),
        ("validate=skip", ("validate", "on_error"), "skip"),
        ("domain=food", ("domain", "name"), "Food"),
        ("domain.backbone.weights=hub:e2400_r224_in1k", ("domain", "backbone", "weights"), None),
    ],
)
def test_overrides(override: str, key: tuple[str, ...], value: object) -> None:
    found: object = compose(REPOSITORY, [override])
    for part in key:
        assert isinstance(found, dict)
        found = found[part]
    assert found == (value if value is not None or "null" in override else override.partition("=")[2])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("domain=fod", "`domain` has no choice 'fod'; did you mean food?"),
        ("domain=", "`domain` has no choice ''; known: adult, .*food"),
        ("trainig=quick", "unknown group `trainig`; did you mean training?"),
        ("split.fold=3", r"unknown key `split\.fold`; did you mean folds?"),
        ("split.folds.x=3", r"conf/ has no `split\.folds\.x`"),
        ("split.folds=3,4", "cannot be composed with split.folds=3,4: Ambiguous"),
        ("domain.backbone=resnet18", "`domain.backbone` cannot be 'resnet18'"),
        ("validate.on_error=stpo", "`validate.on_error` cannot be 'stpo'; did you mean stop?"),
        (
            "training.fine_tuning.budget=3",
            "unknown key `training.fine_tuning.budget`; did you mean budget_min",
        ),
        ("project.name=${x}", "cannot be composed with .* Interpolation key 'x' not found"),
        ("project.name=Ölbaum", r"project\.name=Ölbaum cannot be read: .*such as \"project\.name='Ölbaum'\""),
        ("+x", r"Expected an override like domain=food or split\.folds=10, received '\+x'"),
        ("~domain", "Expected an override like domain=food"),
        ("hydra.run.dir=x", "unknown group `hydra`; known: domain"),
        ("domain=adult", r"domain Adult cannot be used\. Custom Vision withdrew this domain in March 2019"),
    ],
)
def test_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(REPOSITORY, [override])


@pytest.mark.parametrize("override", ["trainer=gpu", "trainer/logger=csv", "trainer.devices=2"])
def test_a_project_of_an_older_version_names_what_to_copy(root: Path, override: str) -> None:
    shutil.rmtree(root / "conf/trainer")
    config = root / "conf/config.yaml"
    config.write_text(config.read_text().replace("  - trainer: default\n", ""))
    assert "trainer" not in compose(root)
    with pytest.raises(ConfigError, match=r"no group `trainer`: .*older version.* Copy trainer/ from .*conf"):
        compose(root, [override])


def test_a_key_that_an_older_project_lacks(root: Path) -> None:
    path = root / "conf/training/advanced.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if "frozen_stages" not in line), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"conf/ has no `training\.fine_tuning\.frozen_stages`\. .*dahlia init"
    ):
        compose(root, ["training=advanced", "training.fine_tuning.frozen_stages=5"])


def test_an_older_project_stays_without_negatives(root: Path) -> None:
    path = root / "conf/project/default.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith("negatives")), encoding="utf-8")
    assert write_params(root).project.negatives == "none"


def test_what_is_refused_is_not_written(root: Path) -> None:
    write_params(root)
    before = (root / "params.yaml").read_bytes()
    with pytest.raises(ConfigError):
        write_params(root, ["split.folds=1"])
    assert (root / "params.yaml").read_bytes() == before


def test_what_is_written_reads_back(root: Path) -> None:
    written = write_params(root, ["domain=retail", "project.name='Ölbaum'"])
    assert load_params(root / "params.yaml") == written
    assert "Ölbaum" in (root / "params.yaml").read_text(encoding="utf-8")


def test_a_domain_of_the_users_own(root: Path) -> None:
    (root / "conf" / "domain" / "birds.yaml").write_text(
        "defaults: [general]\nname: Birds\ninput:\n  size: 320\n"
    )
    found = domains(root)
    assert (found["birds"].name, found["birds"].input.size) == ("Birds", 320)
    assert found["birds"].backbone == found["general"].backbone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", r"conf/ holds a file that is not YAML: .*birds\.yaml.*line 1"),
        ("name: Birds\n", "the key `domain.id` is missing"),
        ("defaults: [general]\nimput: {size: 320}\n", "unknown key `domain.imput`; did you mean input?"),
        ("defaults: [generl]\n", "cannot be composed with domain=birds: .*generl"),
    ],
    ids=["not yaml", "missing keys", "unknown key", "unknown default"],
)
def test_a_domain_that_cannot_be_used(root: Path, text: str, message: str) -> None:
    (root / "conf" / "domain" / "birds.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        compose(root, ["domain=birds"])
    with pytest.raises(ConfigError, match=message):
        domains(root)


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml was expected and is not there.*dahlia init"):
        compose(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["domain=detection_general_compact", "project.classification=multilabel"],
            r"`project.classification` is read in projects of classification, and the domain General "
            r"\(compact\) is of detection. Leave it out",
        ),
        (
            ["validate.min_box_pixels=4.0"],
            "of detection, and the domain .* is of classification",
        ),
        (["training.detection.steps=5"], "of detection, and the domain .* is of classification"),
    ],
)
def test_settings_of_the_other_task(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(REPOSITORY, overrides)


def test_settings_of_one_task_are_all_there_are(found: dict[str, DomainParams]) -> None:
    values = compose(REPOSITORY, ["domain=detection_general_compact", "validate.min_box_pixels=4.0"])
    assert values["validate"]["min_box_pixels"] == 4.0
    for keys in composition.READ_BY_ONE.values():
        for key in keys:
            section, _, name = key.partition(".")
            assert name in values[section]
