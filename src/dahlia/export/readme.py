"""The README and the licence inside an export."""

from __future__ import annotations

from dahlia.export.conventions import OUTPUTS
from dahlia.export.formats import Format
from dahlia.modeling.card import ModelCard

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


def title(form: Format) -> str:
    """How people call it: `ONNX, float16`."""
    return f"{_TITLES[form.family]}, {form.flavour.replace('-', ' ')}"


def readme(form: Format, card: ModelCard) -> str:
    """Markdown: what the files are, and the lines that run them."""
    usage = form.load_port().usage(card, form.flavour)
    script = usage.lines.strip()
    javascript = script.startswith(_JAVASCRIPT)
    install = f"{'npm' if javascript else 'pip'} install {usage.packages}"
    prepared = f"```sh\n{install}\n```\n\n" if usage.packages else ""
    names = [tag.name for tag in card.tags]
    listed = ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
    facts = "\n".join(f"- {note}" for note in (*_resizing(form, card), *usage.notes))
    return f"""\
# {card.project} ({title(form)})

An image classifier of {len(names)} tags: {listed}. Made with Dahlia {card.dahlia_version} in the domain
{card.domain}. `labels.txt` names the tags in the order of the model's answers; {OUTPUTS[card.kind].reading}.

## Run it

{prepared}```{"js" if javascript else "python"}
{script}
```

## Input and output

{facts}
- Probabilities are calibrated: of answers with 0.9, about nine in ten are right on photos like those it
  learned from.

`{form.model_file}` was run on real photos and compared with the trained model: `verification.json` has the
figures.
"""


def _resizing(form: Format, card: ModelCard) -> tuple[str, ...]:
    if form.family == "docker":
        return ()  # the server takes photos as they are
    return (
        f"Photos of any shape are resized to {card.input.size} x {card.input.size} pixels whatever its "
        "aspect, by averaging areas. Rotate them first as their EXIF data says (OpenCV does).",
    )


def licence(card: ModelCard) -> str:
    """Who may use it."""
    source = card.backbone.source or card.backbone.weights
    return f"""\
The model in this folder was trained by the owner of the project "{card.project}" on their own photos. They
decide who may use it.

It started from weights of {card.backbone.architecture} ({source}); their terms apply to what remains
of them.

The code in this folder, that in README.md included, is part of Dahlia, copyright (c) 2026 the Dahlia authors.
It may be used, copied, changed and distributed for any purpose, without warranty of any kind, if this note
stays with it (MIT licence).
"""
