"""Whether a prediction is the only one, in one process and among several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dahlia.serving.under_way import FILE, UnderWay

OTHER = """
import sys
from pathlib import Path
from dahlia.serving.under_way import UnderWay
under_way = UnderWay(Path(sys.argv[1]))
for line in sys.stdin:
    with under_way.one():
        print(under_way.is_only_one(), flush=True)
        sys.stdin.readline()
    print("done", flush=True)
"""

shared = pytest.mark.skipif(sys.platform != "linux", reason="locks are asked for as Linux has them")


@contextmanager
def another_process(file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OTHER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Let the other process begin a prediction, or end it; gives its word for that."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_one_alone_and_two_in_company() -> None:
    under_way = UnderWay()
    assert not under_way.is_only_one()
    with under_way.one():
        assert under_way.is_only_one()
        with under_way.one():
            assert not under_way.is_only_one()
        assert under_way.is_only_one()


def test_a_failed_prediction_is_under_way_no_more() -> None:
    under_way = UnderWay()
    with pytest.raises(ZeroDivisionError), under_way.one():
        _ = 1 / 0
    with under_way.one():
        assert under_way.is_only_one()


@shared
def test_predictions_of_other_processes_count(tmp_path: Path) -> None:
    under_way = UnderWay(tmp_path / FILE)
    with another_process(tmp_path / FILE) as other, under_way.one():
        assert under_way.is_only_one()
        assert said(other) == "False"
        assert not under_way.is_only_one()
        assert said(other) == "done"
        assert under_way.is_only_one()
    under_way.close()


@shared
def test_a_process_that_is_killed_has_none_under_way(tmp_path: Path) -> None:
    under_way = UnderWay(tmp_path / FILE)
    with under_way.one(), another_process(tmp_path / FILE) as other:
        said(other)
        assert not under_way.is_only_one()
        other.kill()
        other.wait()
        assert under_way.is_only_one()
    under_way.close()


@shared
def test_ended_predictions_are_no_company_for_others(tmp_path: Path) -> None:
    under_way = UnderWay(tmp_path / FILE)
    for _ in range(2):
        with under_way.one():
            pass
    with another_process(tmp_path / FILE) as other:
        assert said(other) == "True"
    under_way.close()


@pytest.mark.parametrize(("processes", "shares"), [(1, False), (2, True)])
def test_a_service_of_several_processes_shares_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, shares: bool
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    UnderWay.of_service(processes).close()
    assert [path.name for path in tmp_path.iterdir()] == [FILE] * shares
