from __future__ import annotations

import pytest
import timm

from dahlia.errors import WeightsError
from dahlia.files import sha256_of
from dahlia.modeling.pretrained import BUNDLED, FOLDER, RECOMMENDED, Pretrained, hub_record


@pytest.mark.parametrize("record", BUNDLED.values(), ids=BUNDLED)
def test_bundled_weights_are_those_of_the_record(record: Pretrained) -> None:
    assert sha256_of(FOLDER / record.file) == record.sha256
    assert record.source == f"bundled {record.architecture}"


def test_every_bundled_file_has_a_record_and_a_card() -> None:
    assert {path.name for path in FOLDER.glob("*.safetensors")} == {
        record.file for record in BUNDLED.values()
    }
    card = (FOLDER / "README.md").read_text()
    assert all(record.architecture in card for record in BUNDLED.values())


@pytest.mark.parametrize("name", RECOMMENDED)
def test_what_is_recommended_suits_anyone(name: str) -> None:
    record = hub_record(*name.split("."))
    assert record.source == f"hub timm/{name}"
    assert record.licence == "apache-2.0"
    assert record.sha256 is None
    assert not timm.get_pretrained_cfg(name).fixed_input_size
    assert hub_record(record.architecture) == record, "the tag is timm's default"


@pytest.mark.parametrize(
    "record", [*BUNDLED.values(), *(hub_record(*name.split(".")) for name in RECOMMENDED)]
)
def test_records_are_whole(record: Pretrained) -> None:
    assert record.architecture in timm.list_models()
    assert record.tag
    assert record.licence
    assert record.file.endswith(".safetensors")
    assert 32 <= record.size <= 512
    assert all(0 < value < 1 for value in (*record.mean, *record.std))
    assert record.normalisation == (record.mean, record.std)


@pytest.mark.parametrize(
    ("architecture", "tag", "mean", "size"),
    [
        ("vit_base_patch16_224", "dino", 0.485, 224),
        ("vit_base_patch16_224", "augreg_in21k", 0.5, 224),
        ("mobilenetv4_conv_small", "", 0.485, 224),
        ("mobilenetv4_conv_small", "e1200_r224_in1k", 0.485, 224),
        ("test_resnet", "", 0.5, 160),
    ],
)
def test_each_tag_has_its_own_figures(architecture: str, tag: str, mean: float, size: int) -> None:
    record = hub_record(architecture, tag)
    assert (record.mean[0], record.size) == (mean, size)


def test_pickled_files_that_timm_names_are_not_asked_for() -> None:
    pickled = [name for name in timm.list_pretrained("vit_*clip*") if _file(name).endswith(".bin")]
    assert all(hub_record(*name.split(".", 1)).file == "model.safetensors" for name in pickled)


def _file(name: str) -> str:
    return str(timm.get_pretrained_cfg(name).hf_hub_filename or "")


@pytest.mark.parametrize(
    ("architecture", "tag", "message"),
    [
        ("test_resnet", "r160_in1", "no weights 'r160_in1' of test_resnet; did you mean r160_in1k?"),
        ("vit_base_patch16_224", "dinoo", "did you mean dino?"),
        (
            "test_coatnet",
            "",
            "no pretrained weights of test_coatnet on the hub.*such as mobilenetv4_conv_small",
        ),
    ],
)
def test_tags_that_are_not_known(architecture: str, tag: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        hub_record(architecture, tag)
