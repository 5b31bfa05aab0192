from __future__ import annotations

import pytest

from dahlia.errors import TrackingError
from dahlia.tracking.iteration import decode, encode


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("production", "production"),
        ("Iteration 1", "Iteration_201"),
        ("a_b-C", "a_5fb-C"),
        ("v1", "_761"),
        ("V12", "_5612"),
        ("v1b", "v1b"),
        ("latest", "_6catest"),
        ("Latest", "_4catest"),
        ("latest 2", "latest_202"),
        ("é/日", "_c3_a9_2f_e6_97_a5"),
        ("🌹", "_f0_9f_8c_b9"),
        ("x" * 64, "x" * 64),
    ],
)
def test_names_become_aliases_and_return(name: str, alias: str) -> None:
    assert encode(name) == alias
    assert decode(alias) == name


def test_composed_and_decomposed_letters_are_one_name() -> None:
    assert encode("e\u0301") == encode("\u00e9")


def test_case_is_kept_apart() -> None:
    assert encode("Prod") != encode("prod")


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\tb", "x" * 65, "🌹" * 64, "\u200b"])
def test_refused_names(name: str) -> None:
    with pytest.raises(TrackingError, match=r"publish name"):
        encode(name)


@pytest.mark.parametrize("alias", ["champion_", "a_zz", "_ff", "_61", "naïve", "_5F", ""])
def test_aliases_made_by_others_have_no_name(alias: str) -> None:
    assert decode(alias) is None
