"""What is left out of a job's reason before clients read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.server.jobs.reasons import without_folders

_HOME = Path("/srv/our data/dahlia")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "ONNX is being exported to /tmp/job-1/export.zip by another process. Wait until it is done.",
            "ONNX is being exported to export.zip by another process. Wait until it is done.",
        ),
        ("No such file: '/var/lib/dahlia/a.jpg'.", "No such file: 'a.jpg'."),
        (
            "The disk is full (/srv/our data/dahlia/bench/7/export.zip).",
            "The disk is full (bench/7/export.zip).",
        ),
        ("Nothing may be written into /srv/our data/dahlia.", "Nothing may be written into dahlia."),
        ("Files lie in /opt/models/cache/.", "Files lie in cache/."),
        (
            "See https://example.com/docs/exports/onnx.html.",
            "See https://example.com/docs/exports/onnx.html.",
        ),
        (
            "Put photos in images/rose/ and/or images/daisy/.",
            "Put photos in images/rose/ and/or images/daisy/.",
        ),
        (
            "Of 4 / 5 photos the answers differ. Train again.",
            "Of 4 / 5 photos the answers differ. Train again.",
        ),
    ],
)
def test_of_paths_the_last_part_is_told(reason: str, told: str) -> None:
    assert without_folders(reason, _HOME) == told
