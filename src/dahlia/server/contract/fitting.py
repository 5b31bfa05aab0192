"""XML and forms in the shape of a model: they tell neither one from several nor a text from nothing."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel


def fitted(kind: Any, tree: Any) -> Any:
    """What a model takes in place of what XML or a form held.

    A list is elements that are repeated, or one element around its items, as .NET's data contracts write it,
    or numbered fields; a dictionary is elements by their names, or elements with a key and a value.

    Args:
        kind: the model, or the annotation of a field.
        tree: dictionaries, lists, texts and None, as `read_document` gives them.
    """
    kind = _present(kind)
    origin = get_origin(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _model(kind, tree)
    if origin in (tuple, list):
        item = get_args(kind)[0]
        return [fitted(item, one) for one in _items(tree, item)]
    if origin is dict:
        return _entries(tree)
    return None if tree == "" and kind is not str else tree


def _present(kind: Any) -> Any:
    """An annotation without None."""
    others = [one for one in get_args(kind) if one is not NoneType]
    return others[0] if len(others) == 1 and NoneType in get_args(kind) else kind


def _model(kind: type[BaseModel], tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree or {}
    fields = _fields(kind)
    return {
        name: fitted(fields[name.lower()], value) if name.lower() in fields else value
        for name, value in tree.items()
    }


def _fields(kind: type[BaseModel]) -> dict[str, Any]:
    return {(field.alias or name).lower(): field.annotation for name, field in kind.model_fields.items()}


def _items(tree: Any, item: Any) -> list[Any]:
    if not tree:
        return []
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, dict) or _is_one(tree, item):
        return [tree]
    if all(name.isdecimal() for name in tree):
        return [tree[name] for name in sorted(tree, key=lambda name: (len(name), name))]
    return [one for value in tree.values() for one in (value if isinstance(value, list) else [value])]


def _is_one(tree: dict[str, Any], item: Any) -> bool:
    is_model = isinstance(item, type) and issubclass(item, BaseModel)
    return is_model and not _fields(item).keys().isdisjoint(name.lower() for name in tree)


def _entries(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree or {}
    pairs = [
        {name.lower(): value for name, value in one.items()}
        for name, value in tree.items()
        if name.startswith("KeyValue")
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict)
    ]
    return {str(pair.get("key")): pair.get("value") for pair in pairs} if pairs else tree
