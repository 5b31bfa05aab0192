"""What messages quote of values that may hold a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dahlia.config import check_params
from dahlia.errors import ConfigError
from dahlia.masking import shown
from dahlia.targets import CALLBACK, arguments_of, named_class
from small_projects import shipped

LOGGER = "lightning.pytorch.loggers.MLFlowLogger"
URL = "https://rose:thorn@mlflow.example"
SHOWN: list[tuple[object, str]] = [
    ("five", "'five'"),
    (5, "5"),
    (None, "None"),
    (URL, "'https://rose:***@mlflow.example'"),
    ([URL, 1], "['https://rose:***@mlflow.example', 1]"),
    ((URL,), "('https://rose:***@mlflow.example',)"),
    ({"uri": URL}, "{'uri': 'https://rose:***@mlflow.example'}"),
    ({URL: 1}, "{'https://rose:***@mlflow.example': 1}"),
    ({"password": "thorn"}, "{'password': '***'}"),
    ({"TRACKING_TOKEN": "thorn"}, "{'TRACKING_TOKEN': '***'}"),
    ({"api_key": 1234, "api-key": ["thorn"]}, "{'api_key': '***', 'api-key': '***'}"),
    ({"client_secret": {"value": "thorn"}}, "{'client_secret': '***'}"),
    ({"deep": [{"passwd": "thorn"}]}, "{'deep': [{'passwd': '***'}]}"),
    ({"password": None}, "{'password': None}"),
    ({"key": "a", "monkey": "b", "passes": 3}, "{'key': 'a', 'monkey': 'b', 'passes': 3}"),
]


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_values_as_messages_quote_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_values_that_hold_themselves_end() -> None:
    value: list[object] = ["https://rose:thorn@h"]
    value.append({"again": value})
    assert shown(value).endswith("Ellipsis}]}]}]}]")
    assert "thorn" not in shown(value)


def test_the_key_of_a_value_may_say_that_it_is_a_secret() -> None:
    assert shown("thorn", "store_password") == "'***'"
    assert shown("thorn", "store") == "'thorn'"


REFUSED: dict[str, Any] = {
    "a mapping for a text": {"track": {"uri": {"uri": URL, "password": "thorn"}}},
    "a text for a section": {"track": URL},
    "a list for a section": {"track": [URL]},
    "a text for a number": {"split": {"folds": URL}},
    "a text for a choice": {"ingest": {"format": URL, "source": "data", "workers": 0}},
    "a text for a logger": {"trainer": {"logger": {"mine": URL}}},
    "arguments of a class": {"trainer": {"logger": {"mine": {"_target_": LOGGER, "token": "thorn"}}}},
    "an address among them": {"trainer": {"logger": {"mine": {"_target_": LOGGER, "prefix": URL}}}},
    "an address below a key": {
        "trainer": {"logger": {"mine": {"_target_": LOGGER, "tags": {"password": "::thorn"}}}}
    },
    "a class": {"trainer": {"logger": {"mine": {"_target_": URL}}}},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_no_refusal_of_parameters_shows_a_password(change: dict[str, Any]) -> None:
    values = shipped()
    changed = {
        section: values[section] | new if isinstance(new, dict) else new for section, new in change.items()
    }
    with pytest.raises(ConfigError) as refused:
        check_params(values | changed, "params.yaml")
    assert "thorn" not in str(refused.value)


def test_no_refusal_of_all_parameters_shows_a_password() -> None:
    with pytest.raises(ConfigError, match=r"expected sections .* received \['https://rose:\*\*\*@"):
        check_params([URL], "params.yaml")


def test_no_refusal_of_a_class_shows_a_password() -> None:
    with pytest.raises(ConfigError) as refused:
        named_class(URL, CALLBACK, "trainer.callbacks.mine")
    assert "thorn" not in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        arguments_of({"_target_": LOGGER, "prefix": {"password": "thorn"}}, "trainer.logger.mine", Path())
    assert "thorn" not in str(refused.value)
