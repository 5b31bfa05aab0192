"""Graphs of the shipped networks that projects and servers of the tests share."""

from __future__ import annotations

from pathlib import Path

from dahlia import layout


def share_graphs(root: Path, graphs: Path) -> None:
    """Let a project that has converted nothing yet use a folder of graphs."""
    link(root / layout.GRAPH_CACHE, graphs)


def share_graphs_of_server(home: Path, graphs: Path) -> None:
    """Let the workers of a server that has not started yet use a folder of graphs."""
    for folder in (home, home / "cache"):  # as the server makes them: it warns of others
        folder.mkdir(mode=0o700, parents=True)
    link(home / "cache" / "graphs", graphs)


def link(place: Path, graphs: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(graphs, target_is_directory=True)
