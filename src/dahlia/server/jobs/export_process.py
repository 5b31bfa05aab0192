"""The process that writes and proves a zip: it loads torch, TensorFlow and the like, and ends."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter

from dahlia import layout
from dahlia.errors import DahliaError, ExportError
from dahlia.export.formats import form_of
from dahlia.files import write_json, write_text

REQUEST, REASON, ZIP, LOG = "request.json", "reason.txt", "export.zip", "log.txt"


@dataclass(frozen=True)
class ExportRequest:
    """What is to be exported; the model and the photos lie beside it, as in a project folder.

    Attributes:
        platform: as the API spells it.
        flavor: as the API spells it.
        iteration: its id.
        cache: folder of graphs that were converted before.
    """

    platform: str
    flavor: str | None
    iteration: str
    cache: str

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        write_json(folder / REQUEST, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read it from a folder."""
        return TypeAdapter(cls).validate_json((folder / REQUEST).read_bytes())


def write_zip(folder: Path) -> None:
    """Write the zip that a folder's request asks for, and its proof, into the folder.

    Raises:
        DahliaError: it cannot be written, or computes something else than the trained model.
    """
    from dahlia.composition import template
    from dahlia.config import check_section, read_yaml
    from dahlia.dataset.manifest import load_manifest
    from dahlia.export.artifacts import export_inputs, write_download
    from dahlia.params import ExportParams

    request = ExportRequest.load(folder)
    form = form_of(request.platform, request.flavor)
    if form is None:
        raise ExportError(f"{request.platform} with the flavor {request.flavor} is not offered here.")
    records = load_manifest(folder / layout.MANIFEST)
    inputs = export_inputs(folder / layout.BUNDLE, records, folder, Path(request.cache))
    shipped = template() / "conf" / "export" / "default.yaml"
    params = check_section(ExportParams, read_yaml(shipped), str(shipped))
    write_download(form, folder / ZIP, inputs, params, request.iteration)


def main() -> int:
    """Write the zip of the folder that `sys.argv` names; what prevents it goes to a file. The exit status."""
    folder = Path(sys.argv[1])
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        write_zip(folder)
    except DahliaError as error:
        write_text(folder / REASON, str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
