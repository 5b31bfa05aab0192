from __future__ import annotations

from typing import get_args

import pytest
from test_export_matrix import MODELS

from dahlia.composition import domains
from dahlia.errors import ExportError
from dahlia.export.formats import FAMILIES, FORMATS, Format, by_name, chosen
from dahlia.export.packing import title
from dahlia.kinds import TASKS
from dahlia.params import DomainParams, ExportFamily, ExportName
from small_projects import REPOSITORY


def test_what_parameters_may_name_is_what_there_is() -> None:
    assert get_args(ExportName) == tuple(form.name for form in FORMATS)
    assert set(get_args(ExportFamily)) == set(FAMILIES)


def test_custom_vision_can_tell_them_apart() -> None:
    assert len({(form.platform, form.api_flavour) for form in FORMATS}) == len(FORMATS)


@pytest.fixture(scope="module")
def known() -> dict[str, DomainParams]:
    """Those of classification; what detectors are exported to, their own tests say."""
    found = domains(REPOSITORY)
    return {name: domain for name, domain in found.items() if not TASKS[domain.task].boxed}


def test_the_matrix_has_every_compact_domain(known: dict[str, DomainParams]) -> None:
    compact = {name for name, domain in known.items() if domain.exports}
    assert {domain for domain, _ in MODELS} == compact
    assert {kind for _, kind in MODELS} == {"multiclass", "multilabel"}


def test_compact_domains_have_every_family_and_the_others_none(known: dict[str, DomainParams]) -> None:
    for name, domain in known.items():
        assert set(domain.exports) == (set(FAMILIES) if "compact" in name else set()), name


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_form_is_found_by_its_name(form: Format) -> None:
    assert by_name(form.name) is form
    assert chosen(form.name) == (form,)
    assert chosen(form.family, form.flavour) == (form,)
    assert form.flavour.replace("-", " ") in title(form)


def test_the_first_flavour_is_meant_where_none_is_named() -> None:
    assert [form.name for form in chosen("onnx")] == ["onnx"]
    assert [form.name for form in chosen("openvino")] == ["openvino"]
    assert chosen("all") == FORMATS


@pytest.mark.parametrize(
    ("family", "flavour", "message"),
    [
        ("onx", None, "unknown format `onx`; did you mean onnx"),
        ("vaidk", None, "unknown format `vaidk`; known: onnx, onnx-float16, "),
        ("onnx", "float61", "onnx has no flavour `float61`; did you mean float16"),
        ("litert", "bf", "litert has no flavour `bf`; known: float32, float16, int8"),
        ("onnx-int8", "int8", "unknown format `onnx-int8-int8`; did you mean onnx-int8"),
        ("all", "int8", "`--format all` has every flavour; received `--flavour int8` too"),
    ],
)
def test_what_there_is_not(family: str, flavour: str | None, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        chosen(family, flavour)
