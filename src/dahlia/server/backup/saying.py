"""What `dahlia backup` and `dahlia restore` say of a backup."""

from __future__ import annotations

from pathlib import Path

from dahlia.server.backup.archive import About

INCOMPLETE = 3
"""The exit status where a backup lacks files and has everything else."""

_LISTED = 20


def summary(path: Path, about: About) -> str:
    """One line: what a backup holds."""
    return (
        f"{path}: {about.rows['projects']} projects, {about.rows['images']} images, {about.files} files; "
        "read back and found whole"
    )


def missing(about: About) -> str:
    """The files that a backup lacks, line by line; empty where it lacks none."""
    if not about.missing:
        return ""
    count = len(about.missing)
    lines = [f"  {key}: {reason}" for key, reason in sorted(about.missing.items())[:_LISTED]]
    if count > _LISTED:
        lines.append(f"  and {count - _LISTED} more, which its about.json lists")
    return "\n".join(
        [
            f"{count} {'file is' if count == 1 else 'files are'} missing from the backup; all else is in it:",
            *lines,
            "A photo is back when it is uploaded again; other files may be in an earlier backup.",
        ]
    )
