"""The inventory of what Dahlia is built from (SBOM, CycloneDX 1.6), from the lock files.

    make sbom

The same lock files give the same bytes: the serial number is made from the content, and the time is in the
file only where `SOURCE_DATE_EPOCH` gives it, the convention of reproducible builds. What only tests and tools
need has the scope `excluded`, as CycloneDX calls that. Licences are those of the packages that are installed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tomllib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from dahlia.files import staged_file
from dependencies.licences import declared, expression
from dependencies.lockfile import LOCK, PROJECT, ROOT, Package, npm_locks, read_lock, read_npm_lock

FILE = ROOT / "sbom.cdx.json"

_MARKER = "dahlia:marker"
_SERIALS = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/bom")


def inventory() -> dict[str, Any]:
    """The document for this checkout's lock files."""
    bom = Bom()
    dahlia = bom.metadata.component = _dahlia()
    python = read_lock(LOCK)
    components = {package: _component(package, "pypi", declared(package.name)) for package in python}
    bom.components.update(components.values(), _npm_components())
    bom.register_dependency(dahlia, [components[package] for package in python if PROJECT in package.via])
    for package, component in components.items():
        needed = [other for name, other in components.items() if package.name in name.via]
        bom.register_dependency(component, needed)
    return _reproducible(json.loads(JsonV1Dot6(bom).output_as_string()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="make sbom", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=FILE)
    output = parser.parse_args(arguments).output.resolve()
    document = inventory()
    with staged_file(output) as staged:
        staged.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{output}: {len(document['components'])} packages")
    return 0


def _dahlia() -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        licenses=[LicenseExpression(project["license"])],
    )


def _npm_components() -> list[Component]:
    """Each package once, and as required where one of the lock files that ship has it."""
    packages = [package for lock in npm_locks() for package in read_npm_lock(lock)]
    once = {(package.name, package.version): package for package in sorted(packages, key=lambda p: not p.dev)}
    return [_component(package, "npm", package.licence) for package in once.values()]


def _component(package: Package, registry: str, words: str | None) -> Component:
    namespace, _, name = package.name.rpartition("/")
    purl = PackageURL(registry, namespace or None, name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        scope=ComponentScope.EXCLUDED if package.dev else ComponentScope.REQUIRED,
        licenses=_licences(package, words or ""),
        properties=[Property(name=_MARKER, value=package.marker)] if package.marker else [],
    )


def _licences(package: Package, words: str) -> list[LicenseExpression | DisjunctiveLicense]:
    spdx = expression(words, package.name)
    if spdx:
        return [LicenseExpression(spdx)]
    return [DisjunctiveLicense(name=words)] if words else []


def _reproducible(document: dict[str, Any]) -> dict[str, Any]:
    del document["metadata"]["timestamp"], document["serialNumber"]
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(_SERIALS, content).urn
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        document["metadata"]["timestamp"] = datetime.datetime.fromtimestamp(
            int(epoch), datetime.UTC
        ).isoformat()
    return document


if __name__ == "__main__":
    sys.exit(main())
