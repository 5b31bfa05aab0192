"""What a new version of BentoML could change under us."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import warnings

import pytest

from dahlia.serving.bentoml_support import static_files


@pytest.mark.parametrize(
    "name", ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"]
)
def test_swagger_ui_is_where_it_was(name: str) -> None:
    folder = static_files()
    assert folder is not None
    assert folder.name == "static_content"  # the path below which BentoML serves it
    assert (folder / name).is_file()


def test_the_factory_of_applications_is_what_it_was() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package itself uses what others call deprecated
        from _bentoml_impl.server.app import ServiceAppFactory  # type: ignore[import-untyped]

    assert "is_main" in inspect.signature(ServiceAppFactory.__init__).parameters
    sources = [inspect.getsource(kind) for kind in ServiceAppFactory.__mro__[:-1] if kind.__module__ != "abc"]
    assert any(
        "if self.timeout:" in source for source in sources
    )  # without one there is no middleware for it


def test_a_wrong_setting_ends_the_start_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import dahlia.serving.bentoml_service"],
        capture_output=True,
        text=True,
        env=os.environ | {"DAHLIA_WORKERS": "several"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ConfigError: DAHLIA_WORKERS: `service.workers` cannot be 'several'")
    assert "Traceback" not in done.stderr
