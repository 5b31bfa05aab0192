"""Commands that messages, docstrings and documents name: each exists, and takes what is written behind it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dahlia.cli import cli
from small_projects import REPOSITORY

_INLINE = re.compile(r"`dahlia ([a-z][^`]*)`")
_LINE = re.compile(r"^\s*dahlia ([a-z].*)$", re.MULTILINE)
_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = re.compile(r"\s(?:&&|\||>|#|  ).*| {2,}.*")
_VALUE = "VALUE"  # what an f-string fills in


def _texts(path: Path) -> Iterator[str]:
    """The strings of a module; what an f-string fills in is a word."""
    tree = ast.parse(path.read_text())
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _VALUE for part in node.values
            )


def _named() -> Iterator[tuple[str, str]]:
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        for text in _texts(path):
            for command in _INLINE.findall(text):
                yield path.stem, command
    for path in [*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("d*/*.md"))]:
        text = path.read_text()
        for command in _INLINE.findall(_FENCE.sub("", text)):
            yield path.stem, command
        for block in _FENCE.findall(text):
            for line in _LINE.findall(block.replace("\\\n", " ")):
                yield path.stem, _END.sub("", line)


def _problem(words: list[str]) -> str:
    """What is wrong with a command line; empty where nothing is."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.commands.get(words[0])
        if found is None:
            return f"there is no command {words[0]}"
        command, words = found, words[1:]
    if not words:
        return ""
    context = click.Context(command)
    try:
        _, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    return f"it takes no {rest}" if rest else ""


@pytest.mark.parametrize(("place", "line"), sorted(set(_named())))
def test_a_command_that_is_named_exists(place: str, line: str) -> None:
    assert _problem(shlex.split(" ".join(line.split()))) == ""


@pytest.mark.parametrize("line", ["publish 1 production", "garden", "keys make", "serve --potr 1"])
def test_a_wrong_one_is_found(line: str) -> None:
    assert _problem(line.split())
