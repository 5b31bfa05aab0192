from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.layout import home


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (".", "."),
        (".dvc/tmp/exps/tmp1a2b", "."),
        (".dvc/tmp/exps/standalone/tmp1a2b", "."),
        (".dahlia/trials/20260101-000000/3", "."),
        ("nested/.dvc/tmp/exps/x", "nested"),
        ("tmp/exps/x", "tmp/exps/x"),
    ],
)
def test_what_outlives_a_copy_is_the_projects(tmp_path: Path, root: str, expected: str) -> None:
    assert home(tmp_path / root) == (tmp_path / expected).resolve()
