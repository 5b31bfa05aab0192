"""Data packages as pip leaves them: a folder, and a `.dist-info` whose RECORD lists its files."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import torch

from dahlia.modeling.efficientnet_lite import timm_name
from dahlia.modeling.pretrained import PACKAGED, Packaged
from dahlia.modeling.tensors import COUNTER, Tensors, weights_fingerprint

LITE0 = PACKAGED["tf_efficientnet_lite0"]
FEW: Tensors = {
    "_conv_stem.weight": torch.arange(6.0).view(2, 3),
    "_bn0.running_var": torch.ones(2),
    "_bn0.num_batches_tracked": torch.tensor(7),
    "_blocks.1._bn0.bias": torch.full((3,), 0.5),
}


def pickled(content: object) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def as_timm_names(tensors: Tensors) -> Tensors:
    """Those of lite0, without counters."""
    return {
        timm_name(name, LITE0.depths): value for name, value in tensors.items() if not name.endswith(COUNTER)
    }


def record_of(data: bytes, tensors: Tensors = FEW) -> Packaged:
    """That of lite0, with the sums of another file."""
    return replace(
        LITE0,
        sha256=hashlib.sha256(data).hexdigest(),
        fingerprint=weights_fingerprint(LITE0.architecture, None, as_timm_names(tensors)),
    )


def install(folder: Path, data: bytes | None, version: str = "0.1.0", *, files: tuple[str, ...] = ()) -> Path:
    """Install the package of lite0 into a folder of `sys.path`; importing it fails.

    Args:
        folder: on `sys.path`.
        data: of its checkpoint; None leaves it out.
        version: of the package.
        files: more names to list.

    Returns:
        Where its checkpoint is.
    """
    package = LITE0.distribution.replace("-", "_")
    listed = [f"{package}/__init__.py", *files]
    (folder / package / "models").mkdir(parents=True, exist_ok=True)
    (folder / package / "__init__.py").write_text("raise AssertionError('imported')")
    path = folder / package / "models" / LITE0.file
    if data is not None:
        path.write_bytes(data)
        listed.append(f"{package}/models/{LITE0.file}")
    for name in files:
        (folder / name).write_bytes(b"")
    for earlier in folder.glob("*.dist-info/*"):
        earlier.unlink()
    for earlier in folder.glob("*.dist-info"):
        earlier.rmdir()
    about = folder / f"{package}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {LITE0.distribution}\nVersion: {version}\n"
    )
    (about / "RECORD").write_text("".join(f"{name},,\n" for name in listed))
    return path
