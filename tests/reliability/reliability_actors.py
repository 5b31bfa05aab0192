"""What clients do while servers are killed: one keeps photos, one trains and publishes, one predicts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import numpy as np
from reliability_client import COMPACT, DETECTION, Client
from reliability_photo_sets import PhotoSet, place

_MOST_PHOTOS = 60


class Actor(ABC):
    """Acts in a thread of its own, step after step, until it is stopped or a step fails.

    Args:
        client: of its own.
        seed: of its chance.
    """

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.random = np.random.default_rng(seed)
        self.steps = 0
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._act, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def pause(self, seconds: float) -> bool:
        """Wait; whether it is to stop."""
        return self._stop.wait(seconds)

    @abstractmethod
    def prepare(self) -> None:
        """What it does first."""

    @abstractmethod
    def step(self) -> None:
        """One thing; repeated."""

    def _act(self) -> None:
        try:
            self.prepare()
            while not self._stop.is_set():
                self.step()
                self.steps += 1
        except BaseException as error:  # noqa: BLE001  the test raises it
            self.error = error


class Curator(Actor):
    """Uploads, tags, draws and deletes, in a project of classification and in one of detection."""

    def prepare(self) -> None:
        self.photo_sets = [
            PhotoSet(self.client, new_project(self.client, "tags", classificationType="Multilabel")),
            PhotoSet(self.client, new_project(self.client, "regions", domainId=DETECTION)),
        ]
        for photo_set in self.photo_sets:
            photo_set.add_tag("red")
            photo_set.add_tag("blue")

    def step(self) -> None:
        photo_set = self.photo_sets[int(self.random.integers(2))]
        draws = photo_set is self.photo_sets[1]
        images = sorted(photo_set.state)
        tag = str(self.random.choice(photo_set.tags))
        left = round(float(self.random.random()) / 2, 6)
        some = [str(one) for one in self.random.permutation(images)[: self.random.integers(1, 6)]]
        match int(self.random.integers(10)) if images else 0:
            case 0 | 1 | 2 | 3 if len(images) < _MOST_PHOTOS:
                tags = [] if draws or self.random.random() < 0.3 else [tag]
                drawn = [place(tag, left)] if draws and self.random.random() < 0.5 else []
                photo_set.upload(self.random, "red", int(self.random.integers(1, 9)), *tags, drawn=drawn)
            case 4 | 5 | 6 if draws:
                photo_set.draw(some, tag, left)
            case 4 | 5 | 6:
                photo_set.tag(some, tag)
            case 7 if draws and self.random.random() < 0.5:
                photo_set.erase(some, tag)
            case 7:
                photo_set.untag(some, tag)
            case 8 if len(photo_set.tags) < 12:
                photo_set.add_tag(f"tag {len(photo_set.tags)}")
            case _:
                photo_set.delete(some)
        self.pause(float(self.random.random()) * 0.1)


def new_project(client: Client, name: str, domainId: str = COMPACT, **options: str) -> str:  # noqa: N803
    """Make a project, however often it takes; none of its name is left that nobody knows of."""
    query = {"name": name, "domainId": domainId} | options
    found = [one for one in client.known("GET", "/projects") if one["name"] == name]
    made = found[0] if found else client.known("POST", "/projects", params=query)
    return str(made["id"])
