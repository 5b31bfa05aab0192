"""The client that trains while servers are killed."""

from __future__ import annotations

import threading
from typing import Any

from reliability_actors import Actor, new_project
from reliability_client import Client, Refused, Unknown
from reliability_photo_sets import PhotoSet
from reliability_server import eventually

COLOURS = ("red", "blue")
_EACH = 5
_MOST_ITERATIONS = 8
_SECONDS = 240.0  # after the last kill; a training takes ten


class Trainer(Actor):
    """Adds a photo, trains, and again; deletes old iterations, and cancels some trainings.

    Attributes:
        ready: set when two iterations are there to be published.
        completed: iterations whose trainings went well.
        failed: why the others did not.
    """

    def __init__(self, client: Client, seed: int) -> None:
        super().__init__(client, seed)
        self.ready = threading.Event()
        self.completed: list[str] = []
        self.failed: list[str] = []

    def prepare(self) -> None:
        project = new_project(self.client, "trained", classificationType="Multiclass")
        self.photo_set = PhotoSet(self.client, project)
        for colour in COLOURS:
            tag = self.photo_set.add_tag(colour)
            while not self.photo_set.upload(self.random, colour, _EACH, tag):
                continue
        while len(self.completed) < 2 and not self.pause(0):
            self._add_photo()
            self._follow(self._train())
        self.ready.set()

    def step(self) -> None:
        self._add_photo()
        self._make_room()
        iteration = self._train()
        if iteration is not None and self.random.random() < 0.1:
            self._cancel(iteration)
        self._follow(iteration)

    @property
    def path(self) -> str:
        return f"{self.photo_set.path}/iterations"

    def share(self) -> float:
        """How much of the present training is done; 1 where there is none, and while the server is gone."""
        try:
            listed = self.client.call("GET", self.path)
            under_way = [one["id"] for one in listed if one["status"] == "Training"]
            if under_way:
                progress = self.client.call("GET", f"{self.path}/{under_way[0]}/progress")
                return float(progress["share"])
        except (Refused, Unknown):
            pass
        return 1.0

    def settle(self) -> None:
        """See that every training ends."""
        eventually(lambda: not self._under_way(), _SECONDS)

    def finish(self) -> str:
        """After the last kill: every training ends, and one more goes well, without a hand; that one."""
        self.settle()
        self._make_room()
        self._add_photo()
        iteration = self._train()
        assert iteration is not None
        eventually(lambda: self._get(iteration)["status"] != "Training", _SECONDS)
        assert self._get(iteration)["status"] == "Completed", self._get(iteration)["trainingErrorDetails"]
        self.completed.append(iteration)
        return iteration

    def verify(self) -> None:
        """See that every iteration has ended as it should, and that the photos are there."""
        listed = self.client.known("GET", self.path)
        assert {one["status"] for one in listed} <= {"Completed", "Failed"}, listed
        for one in listed:
            assert (one["status"] == "Failed") == bool(one["trainingErrorDetails"]), one
        self.photo_set.verify()

    def _add_photo(self) -> None:
        place = len(self.photo_set.state) % len(COLOURS)
        if len(self.photo_set.state) > 4 * _EACH:
            self.photo_set.delete([next(iter(self.photo_set.state))])
        self.photo_set.upload(self.random, COLOURS[place], 1, self.photo_set.tags[place])

    def _follow(self, iteration: str | None) -> None:
        ended = self._wait(iteration) if iteration else None
        if ended and ended["status"] == "Completed":
            self.completed.append(str(iteration))
        elif ended:
            self.failed.append(ended["trainingErrorDetails"])

    def _train(self) -> str | None:
        known = {one["id"] for one in self.client.known("GET", self.path)}
        try:
            return str(
                self.client.call("POST", f"{self.photo_set.path}/train", params={"forceTrain": "true"})["id"]
            )
        except Refused as refused:
            if refused.code != "BadRequestTrainingAlreadyInProgress":
                raise
            self.pause(0.5)  # one that was cancelled is ending
            return None
        except Unknown:
            self.client.wait()
            new = [one["id"] for one in self.client.known("GET", self.path) if one["id"] not in known]
            assert len(new) <= 1, "a training was started twice"
            return new[0] if new else None

    def _cancel(self, iteration: str) -> None:
        if self.pause(float(self.random.random()) * 4):
            return
        try:
            self.client.known("POST", f"{self.path}/{iteration}/cancel")
        except Refused as refused:
            if refused.status != 400:  # it has ended meanwhile
                raise

    def _wait(self, iteration: str) -> dict[str, Any] | None:
        """The iteration when it has ended; None where this actor is to stop first."""
        while (now := self._get(iteration))["status"] == "Training":
            if self.pause(0.1):
                return None
        return now

    def _get(self, iteration: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.known("GET", f"{self.path}/{iteration}")
        return found

    def _under_way(self) -> bool:
        return any(one["status"] == "Training" for one in self.client.known("GET", self.path))

    def _make_room(self) -> None:
        listed = self.client.known("GET", self.path)
        for one in listed[2 : max(2, len(listed) - _MOST_ITERATIONS)]:  # the first two are published in turn
            try:
                self.client.known("DELETE", f"{self.path}/{one['id']}")
            except Refused as refused:
                if refused.status != 404:  # a lost answer had deleted it
                    raise
