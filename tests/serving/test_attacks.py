"""What attackers send to `bentoml serve`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from running_services import SERVICE, make_project, workers
from serving_helpers import serving, url

from http_attacks import SETTINGS, Attacks, Target

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The service in one process, so that it is the one that is attacked."""
    root = make_project(tmp_path_factory.mktemp("project"), {"Iteration 1": 1}).root
    settings = {f"DAHLIA_{name}": value for name, value in SETTINGS.items()} | {"DAHLIA_WORKERS": "1"}
    with serving(SERVICE, root, tmp_path_factory.mktemp("bentoml"), **settings) as (base, pid):
        yield Target(urlsplit(base).port or 0, workers(pid)[0], url(), large="/docs.json")
    assert "Traceback" not in (root / "serve.log").read_text()


class TestService(Attacks):
    """Every attack of the table."""
