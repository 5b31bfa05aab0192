"""Why a pipeline stopped, from what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dahlia import errors

_ERROR = re.compile(r"(?:[\w.]+\.)?(\w+(?:Error|Exception|Exit|Interrupt)): (.*)")
_NOT_ITS_TEXT = re.compile(r"ERROR: |All findings: |and \d+ more: see ")
_BEGINS = "Running stage '"
_ENDED = re.compile(r"ERROR: failed to reproduce '([\w-]+)(?:@[\w-]+)?'.*?(?:exited with (-?\d+))?$")
_KILLED = frozenset({"-9", "137"})
_OUT_OF_MEMORY = "Out of memory."
_OF_OURS = frozenset(name for name, value in vars(errors).items() if isinstance(value, type))


def reason(lines: Sequence[str], place: str) -> str:
    """What to tell the user.

    Args:
        lines: all that the pipeline printed.
        place: the workspace's path, which means nothing to the user and is taken out.
    """
    begun = [number for number, line in enumerate(lines) if line.startswith(_BEGINS)]
    last = list(lines[begun[-1] if begun else 0 :])
    ended = next((match for line in reversed(last) if (match := _ENDED.match(line))), None)
    text = _own_words(last) or _of_the_system(ended) or _crash(last, ended) or _last_words(lines)
    return text.replace(f"{place}/", "").replace(place, "the workspace")


def _own_words(lines: Sequence[str]) -> str:
    """The text of an error that Dahlia raised on purpose, all lines of it."""
    for number in range(len(lines) - 1, -1, -1):
        match = _ERROR.match(lines[number])
        if match and match[1] in _OF_OURS:
            return "\n".join([match[2], *_text_after(lines[number + 1 :])])
    return next((line for line in lines if line.startswith(_OUT_OF_MEMORY)), "")


def _text_after(lines: Sequence[str]) -> list[str]:
    text = []
    for line in lines:
        if _NOT_ITS_TEXT.match(line):
            break
        text.append(line)
    return text


def _of_the_system(ended: re.Match[str] | None) -> str:
    if ended is None or ended[2] not in _KILLED:
        return ""
    return (
        f"The stage {ended[1]} was killed by the system, which happens where memory runs out. Give the "
        "worker more memory or let fewer trainings run at once, then train again."
    )


def _crash(lines: Sequence[str], ended: re.Match[str] | None) -> str:
    found = next((match for line in reversed(lines) if (match := _ERROR.match(line))), None)
    if found is None or ended is None:
        return ""
    return (
        f"The stage {ended[1]} failed unexpectedly ({found[1]}: {found[2]}). Train again; if it fails again, "
        "the worker's log has the details."
    )


def _last_words(lines: Sequence[str]) -> str:
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    said = (told or [line for line in lines if line.strip()] or ["it printed nothing"])[0 if told else -1]
    return f"The pipeline could not run ({said}). Train again; if it fails again, see the worker's log."
