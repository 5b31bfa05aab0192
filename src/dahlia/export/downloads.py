"""`dahlia export`: the zips of an iteration, side by side where they load different libraries."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from dahlia import layout
from dahlia.dataset.manifest import load_manifest
from dahlia.errors import DahliaError, ExportError
from dahlia.export.artifacts import ExportInputs, export_inputs, require_allowed, write_download
from dahlia.export.contents import CONTENTS
from dahlia.export.formats import RAW, Format
from dahlia.imports import require_formats
from dahlia.modeling.card import ModelCard, load_card
from dahlia.params import Params
from dahlia.tracking.iteration import Iteration
from dahlia.tracking.registry import Registry

# Families that load one library share a process: importing it is most of the whole. The first of TensorFlow's
# loads torch too, and keeps the graph for the others: it runs alone, so that all together stay below 3 GB.
_ALONE = ("tensorflow",)
_TOGETHER = (_ALONE, ("coreml",), ("onnx", "openvino", "docker"), ("litert", "tfjs"))
_AT_ONCE = 2


def write_downloads(
    forms: Sequence[Format],
    iteration: Iteration,
    registry: Registry,
    params: Params,
    root: Path,
    out: Path,
    *,
    possible: Sequence[Format] = (),
) -> None:
    """Write `<project>-<N>-<format>.zip` and its `.verification.json` for every format.

    A format that fails does not keep the others from being made.

    Args:
        forms: what to write.
        iteration: of which.
        registry: where its trained model is.
        params: of the project.
        root: the project folder.
        out: folder of the zips.
        possible: of these, what the domain has is written too.

    Raises:
        ExportError: the domain does not have a format, its packages are not installed, or at least one could
            not be written.
        TrackingError: the iteration's model is not available.
    """
    require_formats([form.name for form in forms], ExportError)
    bundle = registry.bundle(iteration)
    card = load_card(bundle)
    allowed = _allowed(card.domain_id, params, root)
    for form in forms:
        require_allowed(form, card, allowed)
    forms = _with_possible(forms, possible, card, allowed)
    groups = [part for family in _TOGETHER if (part := [form for form in forms if form.family in family])]
    paths = {form: out / f"{registry.project}-{iteration.number}-{form.name}.zip" for form in forms}
    if len(groups) > 1:
        failed = _side_by_side(groups, paths, iteration.number, out)
    else:
        inputs = export_inputs(bundle, load_manifest(root / layout.MANIFEST), root)
        failed = [form.name for form in forms if not _made(form, paths[form], inputs, params, iteration.id)]
    if failed:
        raise ExportError(
            f"Not written: {', '.join(failed)}; the reasons are above. What was written is in {out}."
        )


def _with_possible(
    forms: Sequence[Format], possible: Sequence[Format], card: ModelCard, allowed: Sequence[str]
) -> list[Format]:
    """What is asked for, and of `possible` what is exported; an error where that leaves nothing."""
    raw = CONTENTS[card.kind](card).raw
    known = [one for one in possible if raw or one.flavour != RAW]
    found = [form for form in known if form.family in allowed]
    if not (forms or found):
        for form in known[:1]:
            require_allowed(form, card, allowed)
    wanted = list(dict.fromkeys([*forms, *found]))
    require_formats([form.name for form in wanted], ExportError)
    return wanted


def _allowed(domain_id: str, params: Params, root: Path) -> Sequence[str]:
    if params.domain.id == domain_id:
        return params.domain.exports
    # The iteration was trained in another domain than the one that is chosen now.
    from dahlia.composition import domains

    return next((known.exports for known in domains(root).values() if known.id == domain_id), ())


def _made(form: Format, path: Path, inputs: ExportInputs, params: Params, iteration: str) -> bool:
    started = time.monotonic()
    try:
        proof = write_download(form, path, inputs, params.export, iteration)
    except DahliaError as error:
        click.secho(f"{form.name}: {error}", fg="red", err=True)
        return False
    click.echo(f"{proof.sentence(form)}, {path} ({time.monotonic() - started:.0f} s)")
    return True


def _side_by_side(
    groups: Sequence[Sequence[Format]], paths: Mapping[Format, Path], number: int, out: Path
) -> list[str]:
    def run(forms: Sequence[Format]) -> list[str]:
        named = [word for form in forms for word in ("--format", form.name)]
        command = [sys.executable, "-m", "dahlia", "export", str(number), *named, "--out", str(out)]
        before = [_written(paths[form]) for form in forms]
        subprocess.run(command)
        return [form.name for form, at in zip(forms, before, strict=True) if _written(paths[form]) == at]

    alone = [forms for forms in groups if forms[0].family in _ALONE]
    failed = [name for forms in alone for name in run(forms)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        others = pool.map(run, [forms for forms in groups if forms not in alone])
        return failed + [name for names in others for name in names]


def _written(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
