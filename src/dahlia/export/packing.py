"""What lies beside a model in every export, and the zip around both.

Names and keys are those of Custom Vision's exports, so that programs that read them go on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import textwrap
import time
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from dahlia.export.contents import CONTENTS
from dahlia.export.formats import Format
from dahlia.export.port import LABELS, METADATA, write_labels
from dahlia.export.standalone import neighbourly, packaged_text
from dahlia.files import write_text
from dahlia.modeling.card import ModelCard, save_card

MANIFEST = "cvexport.manifest"
PROOF = "verification.json"
SERVED = "onnx"
SCRIPTS = "python"
_SCRIPTS = "dahlia.export.zip_scripts"
_PLAIN_FILE = stat.S_IFREG | 0o644  # a server keeps its own files to itself
_EXPORTER_VERSIONS = {"tensorflow": "2.1", "docker": "2.2"}
_JAVASCRIPT = "// JavaScript"
_TITLES = {
    "onnx": "ONNX",
    "coreml": "Core ML",
    "tensorflow": "TensorFlow",
    "litert": "LiteRT",
    "tfjs": "TensorFlow.js",
    "openvino": "OpenVINO",
    "docker": "Docker",
}
_MANY = 12


def add_companions(folder: Path, form: Format, card: ModelCard) -> None:
    """Put labels, metadata, licence, README and scripts beside a model, and the card that a service reads."""
    beside = (folder / form.model_file).parent
    write_labels(beside, card)
    if form.name == SERVED:
        save_card(folder, card)
    properties = metadata_properties(form, card)
    (beside / METADATA).write_text(json.dumps(properties, indent=2), encoding="utf-8")
    for name, module in CONTENTS[card.kind](card).scripts.get(form.family, {}).items():
        write_text(folder / SCRIPTS / name, neighbourly(packaged_text(_SCRIPTS, f"{module}.py")))
    (folder / "LICENSE").write_text(licence(card), encoding="utf-8")
    (folder / "README.md").write_text(readme(form, card), encoding="utf-8")


def metadata_properties(form: Format, card: ModelCard) -> dict[str, str]:
    """What the graph does with pixels, in Custom Vision's words; all values are text."""
    unit = form.family == "openvino"
    content = CONTENTS[card.kind](card)
    values = {
        "Metadata.AdditionalModelInfo": "",
        "Metadata.Version": "1.2",
        "Postprocess.Method": content.method,
        "Postprocess.Yolo.Biases": json.dumps(content.biases),
        "Postprocess.Yolo.NmsThreshold": str(content.suppression),
        "Preprocess.CropHeight": "0",
        "Preprocess.CropMethod": "NoCrop",
        "Preprocess.CropWidth": "0",
        "Preprocess.MaxDimension": "0",
        "Preprocess.MaxScale": "0.0",
        "Preprocess.MinDimension": "0",
        "Preprocess.MinScale": "0.0",
        "Preprocess.NormalizeMean": "[0.0, 0.0, 0.0]",
        "Preprocess.NormalizeStd": "[1.0, 1.0, 1.0]",
        "Preprocess.ResizeMethod": "Stretch",
        "Preprocess.TargetHeight": str(card.input.size),
        "Preprocess.TargetWidth": str(card.input.size),
    }
    pixels = {
        "Image.BitmapPixelFormat": "Rgb8" if unit or card.channels == "RGB" else "Bgr8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "Normalized_0_1" if unit else "NominalRange_0_255",
    }
    return {f"CustomVision.{key}": value for key, value in values.items()} | pixels | dict(content.properties)


def title(form: Format) -> str:
    """How people call it: `ONNX, float16`."""
    return f"{_TITLES[form.family]}, {form.flavour.replace('-', ' ')}"


def readme(form: Format, card: ModelCard) -> str:
    """Markdown: what the files are, and the lines that run them."""
    usage = form.load_port().usage(card, form.flavour)
    script = usage.lines.strip()
    content = CONTENTS[card.kind](card)
    javascript = script.startswith(_JAVASCRIPT)
    install = f"{'npm' if javascript else 'pip'} install {usage.packages}"
    prepared = f"```sh\n{install}\n```\n\n" if usage.packages else ""
    names = [tag.name for tag in card.tags]
    listed = ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
    facts = "\n".join(f"- {note}" for note in (*_resizing(form, card), *usage.notes))
    return f"""\
# {card.project} ({title(form)})

{content.noun} of {len(names)} tags: {listed}. Made with Dahlia {card.dahlia_version} in the domain
{card.domain}. `labels.txt` names the tags in the order of the model's answers; {content.reading}.

## Run it

{prepared}```{"js" if javascript else "python"}
{script}
```

## Input and output

{facts}
- {content.calibration}

`{form.model_file}` was run on real photos and compared with the trained model: `verification.json` has the
figures.
"""


def _resizing(form: Format, card: ModelCard) -> tuple[str, ...]:
    if form.family == "docker":
        return ()  # the server takes photos as they are
    return (
        f"Photos of any shape are resized to {card.input.size} x {card.input.size} pixels whatever their "
        "aspect, by averaging areas. Rotate them first as their EXIF data says (OpenCV does).",
    )


def licence(card: ModelCard) -> str:
    """Who may use it."""
    backbone = card.backbone
    weights = (
        f"It started from weights of {backbone.architecture} ({backbone.start}); their terms apply to what"
    )
    start = textwrap.fill(f"{weights} remains of them. {backbone.note}", 110, break_on_hyphens=False)
    return f"""\
The model in this folder was trained by the owner of the project "{card.project}" on their own photos. They
decide who may use it.

{start}

The code in this folder, that in README.md included, is part of Dahlia, copyright (c) 2026 the Dahlia authors.
It may be used, copied, changed and distributed for any purpose, without warranty of any kind, if this note
stays with it (MIT licence).
"""


def add_manifest(folder: Path, form: Format, card: ModelCard, iteration: str, exported: datetime) -> None:
    """Write `cvexport.manifest`, by which Custom Vision's mobile libraries load a model.

    Args:
        folder: of the export.
        form: which.
        card: of the model.
        iteration: the iteration's id.
        exported: when; aware, UTC.
    """
    model = folder / form.model_file
    manifest = {
        "DomainType": CONTENTS[card.kind](card).domain_type,
        "Platform": form.platform,
        "Flavor": form.api_flavour,
        "ExporterVersion": _EXPORTER_VERSIONS.get(form.family, "2.0"),
        "ExportedDate": f"{exported:%Y-%m-%dT%H:%M:%S.%f}0Z",
        "IterationId": iteration,
        "ModelFileName": model.name,
        "LabelFileName": LABELS,
        "MetadataPropsFileName": METADATA,
        "ModelFileSHA1": _sha1(model) if model.is_file() else None,  # a package of Core ML is a folder
        "SchemaVersion": "1.0",
    }
    (model.parent / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _sha1(path: Path) -> str:
    # The manifest's own choice: it finds damage, and defends against nobody.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def write_zip(path: Path, folder: Path) -> None:
    """Pack a folder's files, sorted by name; who unpacks them gets files that everybody may read."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in sorted(folder.rglob("*")):
            if part.is_file():
                entry = zipfile.ZipInfo.from_file(part, part.relative_to(folder).as_posix())
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _PLAIN_FILE << 16
                with part.open("rb") as source, packed.open(entry, "w") as target:
                    shutil.copyfileobj(source, target)


def add_proof(path: Path, proof: Mapping[str, object]) -> None:
    """Put `verification.json` into a zip."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed:
        entry = zipfile.ZipInfo(PROOF, time.localtime()[:6])
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _PLAIN_FILE << 16
        packed.writestr(entry, json.dumps(proof, indent=2, ensure_ascii=False))
