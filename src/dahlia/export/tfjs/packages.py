"""TensorFlow.js itself, from npm, at the versions that `package-lock.json` fixes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from dahlia.errors import VerificationError
from dahlia.files import staged_directory

_HERE = Path(__file__).parent
_OLDEST_NODE = 18
_INSTALL_SECONDS = 240
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
# Without a network npm would try for minutes.
_PATIENCE = ("--fetch-retries=1", "--fetch-timeout=30000")


def find_node() -> str:
    """The path of Node.

    Raises:
        VerificationError: it is not there, or is older than 18.
    """
    node = shutil.which("node")
    if node is None:
        raise _missing("which is not there")
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"v(\d+)\.", answer.stdout)
    if found is None or int(found[1]) < _OLDEST_NODE:
        raise _missing(f"received {answer.stdout.strip() or answer.stderr.strip()[:200]}")
    return node


def installed_packages() -> Path:
    """The folder with TensorFlow.js in `node_modules`; installed by npm where it is not there yet.

    It lies in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`), in `dahlia/tfjs-VERSION`.

    Raises:
        VerificationError: npm is missing, or fails, or takes longer than four minutes.
    """
    wanted = json.loads((_HERE / "package.json").read_text(encoding="utf-8"))
    version = wanted["dependencies"]["@tensorflow/tfjs-core"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "dahlia" / f"tfjs-{version}"
    if not folder.exists():
        with staged_directory(folder) as staged:
            _install(staged, version)
    return folder


def _install(folder: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _missing("which is there without npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / name, folder / name)
    try:
        done = subprocess.run(
            [npm, *_INSTALL, *_PATIENCE],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(version, f"it took longer than {_INSTALL_SECONDS} s") from error
    if done.returncode:
        raise _failed(version, " ".join((done.stderr or done.stdout).split())[:400])


def _missing(what: str) -> VerificationError:
    return VerificationError(
        f"TensorFlow.js exports are proven in Node {_OLDEST_NODE} or later, {what}: install it with its npm "
        "from https://nodejs.org, then export again."
    )


def _failed(version: str, what: str) -> VerificationError:
    return VerificationError(
        f"TensorFlow.js {version}, in which its exports are proven, could not be installed by npm: {what}. "
        "See that the npm registry can be reached (once is enough), then export again."
    )
