from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import onnx
import pytest
import torch

from dahlia.errors import ExportError
from dahlia.modeling import backbone_graph
from dahlia.modeling.backbone_graph import kept_graph
from dahlia.modeling.backbones import Backbone

PRINT = "f" * 64
GRAPHS = (b"one", b"another")


def unneeded() -> Backbone:
    raise AssertionError("the graph is kept")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for graphs that are made in no time."""
    monkeypatch.setattr(backbone_graph, "_convert", lambda backbone, size, *_: b"%d" % size)
    return tmp_path / "deep" / "graphs"


def test_a_graph_is_made_once(folder: Path, tiny_backbone: Backbone) -> None:
    path = kept_graph(folder, PRINT, 32, lambda: tiny_backbone)
    assert path.read_bytes() == b"32"
    assert kept_graph(folder, PRINT, 32, unneeded) == path
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize(("fingerprint", "size"), [("e" * 64, 32), (PRINT, 64)])
def test_other_weights_or_sizes_are_other_graphs(
    folder: Path, tiny_backbone: Backbone, fingerprint: str, size: int
) -> None:
    path = kept_graph(folder, PRINT, 32, lambda: tiny_backbone)
    assert kept_graph(folder, fingerprint, size, lambda: tiny_backbone) != path


@pytest.mark.parametrize("damaged", [b"", b"3", b"33", b"322"])
def test_a_damaged_graph_is_made_again(folder: Path, tiny_backbone: Backbone, damaged: bytes) -> None:
    path = kept_graph(folder, PRINT, 32, lambda: tiny_backbone)
    path.write_bytes(damaged)
    assert kept_graph(folder, PRINT, 32, lambda: tiny_backbone).read_bytes() == b"32"
    assert list(folder.iterdir()) == [path]


def test_a_graph_that_another_process_made_is_taken(folder: Path) -> None:
    """Two that convert at once, with other versions of the exporter, leave two files."""
    folder.mkdir(parents=True)
    for graph in GRAPHS:
        (folder / f"{PRINT[:16]}-32-opset20-{sha256(graph).hexdigest()[:16]}.onnx").write_bytes(graph)
    assert kept_graph(folder, PRINT, 32, unneeded).read_bytes() in GRAPHS


def test_nothing_is_left_of_a_graph_that_could_not_be_made(
    tmp_path: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::strange", 20, None)

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ExportError, match="test_resnet cannot be written as ONNX"):
        kept_graph(tmp_path, PRINT, 32, lambda: tiny_backbone)
    assert list(tmp_path.iterdir()) == []


def test_the_graph_takes_any_number_of_photos(graphs: Path, tiny_backbone: Backbone) -> None:
    proto = onnx.load(kept_graph(graphs, tiny_backbone.fingerprint, 32, lambda: tiny_backbone))
    (given,), (answered,) = proto.graph.input, proto.graph.output
    assert (given.name, answered.name) == ("data", "features")
    assert [one.dim_param or one.dim_value for one in given.type.tensor_type.shape.dim] == [
        "batch",
        3,
        32,
        32,
    ]
