from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from dahlia.http.replies import access_denied

SECRET = "s3cret-Key"


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ({}, "", "brings none"),
        ({"prediction-key": ""}, "", "brings none"),
        ({"training-key": SECRET}, "", "header Training-Key is unknown, mistyped or revoked"),
        ({"ocp-apim-subscription-key": SECRET}, "", "header Ocp-Apim-Subscription-Key is unknown"),
        ({}, f"Prediction-Key={SECRET}", "query names a key"),
        ({}, f"a=1&prediction%2Dkey={SECRET}", "query names a key"),
        ({}, f"subscription_key={SECRET}", "query names a key"),
        ({}, f"apiKey={SECRET}", "query names a key"),
        ({}, "keyword=red", "brings none"),
        ({"authorization": f"Bearer {SECRET}"}, "", "header Authorization is not read"),
        ({"x-api-key": SECRET}, "", "header X-Api-Key is not read"),
        ({"authorization": f"Bearer {SECRET}"}, f"key={SECRET}", "query names a key"),
    ],
)
@pytest.mark.parametrize("expected", ["Prediction-Key", "Training-Key"])
def test_where_a_key_belongs(headers: dict[str, str], query: str, words: str, expected: str) -> None:
    text = access_denied(expected, Headers(headers), query.encode())
    assert words in text
    assert text.endswith(f"Send a valid key in the header {expected}.")
    assert SECRET not in text
