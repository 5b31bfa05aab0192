"""The messages of Core ML's files, without the converter that ships them.

`import coremltools` looks for every framework that it can convert from and imports what it finds, which takes
seconds; to read a file, only the generated protobuf classes are needed.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from dahlia.errors import VerificationError

_ALIAS = "dahlia.export.coreml.interpreter._coremltools_proto"


@functools.cache
def messages() -> Any:
    """The package of generated classes: `Model_pb2`, `MIL_pb2`, `NeuralNetwork_pb2`, `FeatureTypes_pb2`.

    Raises:
        VerificationError: coremltools is not installed.
    """
    # `find_spec` of a package at the top imports nothing.
    found = importlib.util.find_spec("coremltools")
    if found is None or found.origin is None:
        raise VerificationError(
            "Core ML's files are read with coremltools, which is missing. Run `pip install coremltools`."
        )
    folder = Path(found.origin).parent / "proto"
    spec = importlib.util.spec_from_file_location(
        _ALIAS, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise VerificationError(f"{folder} was expected to hold Core ML's schema. Install coremltools again.")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_ALIAS] = package
    spec.loader.exec_module(package)
    return package
