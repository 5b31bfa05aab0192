"""Every setting that is documented is read by some module."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import dahlia
from dahlia.export.docker.context import settings as container
from dahlia.params import DomainParams, Params, TrainingParams
from dahlia.settings.server import Settings
from dahlia.settings.service import ServiceSettings
from dahlia_pretraining import NegativesParams, PretrainingParams, ProposalsParams

SOURCE = Path(dahlia.__file__).parents[1]
FACTS = {"domain.task"}  # says what a domain is for; it has one value, so that nothing depends on it

Keys = Iterable[tuple[str, str, str]]  # section, its class, key


@cache
def reads() -> tuple[frozenset[str], ...]:
    """What each module reads: attributes, `params.attribute`, and the classes that it takes or defines."""
    return tuple(frozenset(read_in(path)) for path in SOURCE.glob("dahlia*/**/*.py"))


def read_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
            yield ".".join(ast.unparse(node).split(".")[-2:])
        elif isinstance(node, ast.arg) and node.annotation is not None:
            yield ast.unparse(node.annotation)
        elif isinstance(node, ast.ClassDef):
            yield node.name


def unread(keys: Keys) -> list[str]:
    """The keys that no module reads which also reads their section, defines it, or takes it."""
    return [
        f"{section}.{key}"
        for section, kind, key in keys
        if not any(
            f"params.{key}" in module or (key in module and {section, kind} & module) for module in reads()
        )
    ]


def of_sections(*models: type[BaseModel]) -> Keys:
    for model in models:
        for section, field in model.model_fields.items():
            for kind in get_args(field.annotation) or (field.annotation,):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    yield from ((section, kind.__name__, key) for key in kind.model_fields)


def of_fields(*kinds: type) -> Keys:
    return (("settings", kind.__name__, name) for kind in kinds for name in inspect.get_annotations(kind))


SETTINGS: dict[str, Keys] = {
    "server": tuple(of_sections(Settings)),
    "pipeline": tuple(of_sections(Params, DomainParams, TrainingParams)),
    "prediction service": tuple(of_fields(ServiceSettings)),
    "container": tuple(of_fields(container.Settings)),
    "pretraining": tuple(of_fields(PretrainingParams, NegativesParams, ProposalsParams)),
}


@pytest.mark.parametrize("keys", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_read(keys: Keys) -> None:
    assert set(unread(keys)) - FACTS == set()


def test_one_that_nothing_reads_is_found() -> None:
    class JobsSection(BaseModel):
        workers: int
        wrkers: int

    class Mistaken(BaseModel):
        jobs: JobsSection

    assert unread(of_sections(Mistaken)) == ["jobs.wrkers"]
