"""The clients that publish and predict while servers are killed."""

from __future__ import annotations

from typing import Any

from reliability_actors import Actor
from reliability_client import Client, Unknown, hashed, new_photo
from reliability_training import COLOURS, Trainer

NAME = "live"


class Publisher(Actor):
    """Gives `NAME` to one iteration after the other.

    Args:
        client: of its own.
        seed: of its chance.
        trainer: trains them.

    Attributes:
        published: the iteration that has the name, as far as was acknowledged.
        publishing: the one that is to have it next, while nobody knows.
        times: how often it was given.
    """

    def __init__(self, client: Client, seed: int, trainer: Trainer) -> None:
        super().__init__(client, seed)
        self.trainer = trainer
        self.published: str | None = None
        self.publishing: str | None = None
        self.times = 0

    def prepare(self) -> None:
        while not self.trainer.ready.is_set() and not self.pause(0.1):
            continue

    def step(self) -> None:
        self.publish(self.trainer.completed[self.steps % 2])
        self.pause(float(self.random.random()) * 0.5)

    @property
    def possible(self) -> set[str]:
        """The iterations that may answer under the name just now."""
        return {one for one in (self.published, self.publishing) if one}

    def publish(self, iteration: str) -> None:
        """Give an iteration the name; an answer that is lost leaves it with this one or the one before."""
        self.publishing = iteration
        query = {"publishName": NAME, "predictionId": "any", "overwrite": "true"}
        try:
            self.client.call("POST", f"{self.trainer.path}/{iteration}/publish", params=query)
            self.published = iteration
            self.times += 1
        except Unknown:
            self.client.wait()
            holders = self.holders()
            assert holders in ([self.published] if self.published else [], [iteration]), holders
            self.published = holders[0] if holders else None
        self.publishing = None

    def holders(self) -> list[str]:
        """The iterations that have the name, as the API says."""
        listed = self.client.known("GET", self.trainer.path)
        return [one["id"] for one in listed if one["publishName"] == NAME]

    def verify(self) -> None:
        """See that one iteration has the name, and no other has one."""
        listed = self.client.known("GET", self.trainer.path)
        assert [one["id"] for one in listed if one["publishName"]] == [self.published]


class Visitor(Actor):
    """Asks for predictions under the name, and deletes some of those that were kept.

    Args:
        client: of its own.
        seed: of its chance.
        publisher: gives it to iterations.

    Attributes:
        kept: SHA-256 of their images by the ids of predictions.
        deleted: ids of those that are gone.
        unsure: ids of those whose deletion was not answered.
    """

    def __init__(self, client: Client, seed: int, publisher: Publisher) -> None:
        super().__init__(client, seed)
        self.publisher = publisher
        self.kept: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.unsure: set[str] = set()

    def prepare(self) -> None:
        while not self.publisher.published and not self.pause(0.1):
            continue

    def step(self) -> None:
        self.predict()
        if self.kept and self.random.random() < 0.1:
            self._delete(str(self.random.choice(sorted(self.kept))))
        self.pause(0.05 + float(self.random.random()) * 0.2)

    def predict(self) -> None:
        """Ask once."""
        image = new_photo(self.random, COLOURS[self.steps % 2])
        project = self.publisher.trainer.photo_set.project
        possible = self.publisher.possible
        route = f"/customvision/v3.1/prediction/{project}/classify/iterations/{NAME}/image"
        try:
            response = self.client.ask("POST", route, data=image)
        except Unknown:
            self.client.wait()
            return
        answer = response.json()
        assert answer["iteration"] in possible | self.publisher.possible, "another iteration has answered"
        if response.headers["dahlia-stored"] == "true":
            self.kept[answer["id"]] = hashed(image)

    def verify(self) -> None:
        """See that every prediction that was kept is there, once, and none that was deleted."""
        found = self._stored()
        identities = [one["id"] for one in found]
        assert len(identities) == len(set(identities)), "a prediction is there twice"
        assert set(self.kept) <= set(identities), "a prediction is lost"
        assert not self.deleted & set(identities), "a prediction came back"
        for one in found:
            if one["id"] in self.kept:
                assert hashed(self.client.bytes_of(one["originalImageUri"])) == self.kept[one["id"]]

    def _delete(self, identity: str) -> None:
        del self.kept[identity]
        try:
            self.client.call(
                "DELETE", f"{self.publisher.trainer.photo_set.path}/predictions", params={"ids": identity}
            )
            self.deleted.add(identity)
        except Unknown:
            self.unsure.add(identity)
            self.client.wait()

    def _stored(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"maxCount": 64}
        while True:
            page = self.client.known(
                "POST", f"{self.publisher.trainer.photo_set.path}/predictions/query", json=query
            )
            found += page["results"]
            if page["token"]["continuation"] is None:
                return found
            query = page["token"]
