"""Bodies as clients write them: loose JSON, XML, forms, addresses alone; and those that are refused."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest

from dahlia.errors import ServiceError
from dahlia.http.body import address_of
from dahlia.http.documents import MAX_DEPTH, MAX_ELEMENTS, MalformedDocument, read_document, utf8

ADDRESS = "https://example.com/a%20b.jpg?x=1&y='2'".replace("'", "")
DATA_CONTRACT = (
    '<ImageUrl xmlns="http://schemas.datacontract.org/2004/07/Iris.Web.Api.Models" '
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><Url>{}</Url></ImageUrl>'
)
ADDRESSES = {
    "JSON": json.dumps({"url": ADDRESS}),
    "another case": json.dumps({"Url": ADDRESS}),
    "single quotes": f"{{'url': '{ADDRESS}'}}",
    "names without quotes": f"{{url: '{ADDRESS}',}}",
    "PowerShell": f"{{url:{ADDRESS}}}",
    "Windows' command line": f"'{json.dumps({'url': ADDRESS})}'",
    "Python": str({"url": ADDRESS, "other": None, "more": True}),
    "a data contract": DATA_CONTRACT.format(ADDRESS.replace("&", "&amp;")),
    "XML": f'<?xml version="1.0"?>\n<imageUrl><url><![CDATA[{ADDRESS}]]></url></imageUrl>',
    "a form": "Url=https%3A%2F%2Fexample.com%2Fa%2520b.jpg%3Fx%3D1%26y%3D2",
}


@pytest.mark.parametrize("body", ADDRESSES.values(), ids=ADDRESSES.keys())
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
)
def test_addresses(body: str, content_type: str) -> None:
    assert address_of(body.encode(), content_type) == ADDRESS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(encoding: str) -> None:
    body = json.dumps({"name": "Kühe"}, ensure_ascii=False).encode(encoding)
    assert read_document(body).content == {"name": "Kühe"}
    assert json.loads(utf8(body)) == {"name": "Kühe"}
    declared = '<?xml version="1.0" encoding="utf-16"?><a><b>Kühe</b></a>'.encode(encoding)
    assert read_document(declared).content == {"b": "Kühe"}


def test_a_character_set_that_is_declared() -> None:
    body = '{"name": "Kühe"}'.encode("latin-1")
    assert read_document(body, "application/json; charset=ISO-8859-1").content == {"name": "Kühe"}
    with pytest.raises(MalformedDocument, match="not UTF-8 at position 11"):
        read_document(body, "application/json")


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"", None),
        (b" \r\n", None),
        (codecs.BOM_UTF8, None),
        (b"null", None),
        (b'""', ""),
        (b"[1, 2.5, -3, true]", [1, 2.5, -3, True]),
        (b"{'a': 'it\\'s \"so\"', 'b': [1,],}", {"a": 'it\'s "so"', "b": [1]}),
        (b'{"a": "None, \'b\': c"}', {"a": "None, 'b': c"}),
        (b'{a: "x", _b$: None}', {"a": "x", "_b$": None}),
        (b"<a/>", ""),
        (b"<a>x<!-- y --></a>", "x"),
        (b"<a><b>1</b><b>2</b><c><d>&lt;</d></c></a>", {"b": ["1", "2"], "c": {"d": "<"}}),
        (
            b'<a xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><b i:nil="true"/><c/></a>',
            {"b": None, "c": ""},
        ),
        (b"a=1&b=2&b=3&c[0][x]=4&c[1].x=5&d.e=+&f[]=6", {
            "a": "1", "b": ["2", "3"], "c": {"0": {"x": "4"}, "1": {"x": "5"}}, "d": {"e": " "}, "f": "6"
        }),
    ],
)  # fmt: skip
def test_documents(body: bytes, content: Any) -> None:
    assert read_document(body).content == content


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "none from line 1, column 2 on, where the end stands"),
        ('{\n  "a": 1\n  "b": 2}', "line 3, column 3 on, where '\"' stands"),
        ("{'a': 'b", "line 1, column 2"),
        ("{body}", "line 1, column 2 on, where 'b' stands"),
        ('{"a": NaN}', "received NaN"),
        ('{"a": -Infinity}', "received -Infinity"),
        ("[" * 200_000, "in more than 64 others"),
        ('{"a":' * 200_000, "in more than 64 others"),
        ("{'a':" * 200_000, "line 1, column 2|in more than"),
        ("[" * 900 + "]" * 900, "in more than 64 others"),
        ("text", "line 1, column 1"),
        ("--x\r\nContent-Disposition: form-data", "line 1, column 1"),
        ("<a>", "no XML from line 1, column 4"),
        ("<html><br></html>", "mismatched tag"),
        ("<a>&nbsp;</a>", "undefined entity"),
        (BOMB, "without a document type"),
        (OUTSIDE, "without a document type"),
        ("<a>" * (MAX_DEPTH + 2), "elements"),
        ("<a>" + "<b/>" * MAX_ELEMENTS + "</a>", "elements"),
        ("&".join(["a=1"] * 10_001), "at most 10,000 fields"),
        ("a=1&a.b=2", "field 'a' has a value"),
        ("a=%ff", "in UTF-8"),
    ],
    ids=lambda value: value[:30],
)
def test_documents_that_are_refused(body: str, message: str) -> None:
    with pytest.raises(MalformedDocument, match=message) as refusal:
        read_document(body.encode())
    assert refusal.value.code == "BadRequestInvalid"
    assert len(str(refusal.value)) < 400


def test_giant_numbers_are_fractions() -> None:
    content = read_document(b'{"a": 1' + b"0" * 5000 + b', "b": 1e999}').content
    assert content == {"a": float("inf"), "b": float("inf")}


@pytest.mark.parametrize(
    "body", ["'" * 100_000, "'\\'" * 50_000, "a" * 200_000, "{" + "a " * 100_000, ", " * 100_000]
)
def test_repairing_takes_no_time_that_grows_with_the_square(body: str) -> None:
    with pytest.raises(MalformedDocument):
        read_document(body.encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"url": 5}', b"[]", b"\xff\xd8\xff\xe0", b"<a><b>x</b></a>", b"name=x", ADDRESS.encode()],
)
def test_bodies_without_an_address(body: bytes) -> None:
    with pytest.raises(ServiceError, match="To send the image itself") as refusal:
        address_of(body)
    assert refusal.value.code == "BadRequestImageUrl"


@pytest.mark.timeout(30)  # each takes minutes where a text is looked at from each of its quotes again
@pytest.mark.parametrize("unit", ['"\\', "'\\", 'a"\\', "'", "{", ",\n", "<a>"])
@pytest.mark.parametrize("start", ["", '["'])
def test_work_grows_with_the_body_alone(start: str, unit: str) -> None:
    with pytest.raises(MalformedDocument):
        read_document((start + unit * (100_000 // len(unit))).encode())
