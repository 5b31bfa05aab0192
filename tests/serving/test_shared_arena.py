"""Models of one process share the memory of their maps, and answer as if each had its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from serving_helpers import FakeSource, load, picture


def test_models_that_are_loaded_and_asked_at_once_answer_for_themselves(source: FakeSource) -> None:
    """Half of them are given up meanwhile."""

    def best(number: int) -> int:
        model = load(source.locate(source.project_id, number))
        tags = [tag.name for tag in model.card.tags]
        found = {model.predict(picture())[0].tag.name for _ in range(5)}
        assert len(found) == 1
        return tags.index(found.pop())

    asked = [1, 2] * 8
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(best, asked)) == [number - 1 for number in asked]
