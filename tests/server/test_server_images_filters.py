from __future__ import annotations

import pytest
from server_rows import add_image, add_project
from sqlalchemy import select

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow
from dahlia.server.images.metadata import Equals, Filter, Joined, condition, parse_filter

pytestmark = pytest.mark.both_databases

A, B, C = (Equals(key, "1") for key in "abc")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata=a eq '1'", A),
        ("a EQ '1'", A),
        (" Metadata=  a eq '1' ", A),
        ("metadata='a' eq '1'", A),
        ("a ne '1'", Equals("a", "1", negated=True)),
        ("'it''s' eq ''''", Equals("it's", "'")),
        ("a eq ''", Equals("a", "")),
        ("eq eq 'or'", Equals("eq", "or")),
        ("a eq '1' and b eq '1' or c eq '1'", Joined((Joined((A, B), True), C), False)),
        ("metadata=a eq '1' and metadata=(b eq '1' or c eq '1')", Joined((A, Joined((B, C), False)), True)),
        ("((a eq '1'))and(b eq '1')", Joined((A, B), True)),
    ],
)
def test_expressions(text: str, expected: Filter) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "its end before a metadata key"),
        ("metadata=", "its end before a metadata key"),
        ("a", "its end before eq or ne"),
        ("a is '1'", "\"is '1'\" where eq or ne"),
        ("a eq 1", "'1' where a text in single quotes"),
        ("a eq '1", "where a text in single quotes"),
        ("a eq '1' b eq '1'", "where and, or, or the end"),
        ("a eq '1' and", "its end before a metadata key"),
        ("(a eq '1'", "its end before a closing bracket"),
        ("a eq '1')", "where and, or, or the end"),
        ("not a eq '1'", "where eq or ne"),
        ("(" * 17 + "a eq '1'" + ")" * 17, "more than 16 brackets"),
        (" or ".join(["a eq '1'"] * 33), "more than 32 comparisons"),
        ("a eq '" + "1" * 9000 + "'", "characters"),
        ("a eq '\0'", "characters"),
    ],
)
def test_what_is_no_expression(text: str, received: str) -> None:
    with pytest.raises(ServiceError, match=r"Expected a \$filter such as") as refusal:
        parse_filter(text)
    assert received in str(refusal.value)
    assert refusal.value.code == "BadRequestInvalid"


def test_both_databases_understand_them(server: Server) -> None:
    project = add_project(server)
    details = [
        {"shelf": "3", "camera": "left"},
        {"shelf": "3"},
        {'key "with" $.quotes\\': "ü'☃"},
        {"größe": "1"},
        {},
    ]
    keys = [
        add_image(server, project, f"photo {number}".encode(), details=one).key
        for number, one in enumerate(details)
    ]
    cases = [
        ("shelf eq '3'", [0, 1]),
        ("shelf eq '3' and camera ne 'left'", [1]),
        ("shelf ne '3'", [2, 3, 4]),
        ("shelf eq '4' or größe eq '1'", [3]),
        ("'key \"with\" $.quotes\\' eq 'ü''☃'", [2]),
        ("shelf eq '%' or größe eq '_'", []),
    ]
    for text, expected in cases:
        with server.database.read() as session:
            found = session.scalars(select(ImageRow.key).where(condition(session, parse_filter(text))))
            assert sorted(found) == [keys[place] for place in expected], text
