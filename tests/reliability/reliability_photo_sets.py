"""What a client was told that a project holds, and what is there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from reliability_client import Client, Unknown, files, hashed, new_photo

_PAGE = 256
_AT_ONCE = 64  # regions


Place = tuple[str, float, float, float, float]
"""A region: the id of its tag, left, top, width, height."""


@dataclass(frozen=True)
class Labels:
    """Of an image: ids of tags, and regions."""

    tags: frozenset[str] = frozenset()
    regions: frozenset[Place] = frozenset()

    def erased(self, gone: frozenset[Place]) -> Labels:
        """Without regions, and the tags whose last ones they were."""
        left = self.regions - gone
        lost = {one[0] for one in gone} - {one[0] for one in left}
        return Labels(self.tags - lost, left)

    def without(self, tag: str) -> Labels:
        """Without a tag, and the regions that have it."""
        return Labels(self.tags - {tag}, frozenset(one for one in self.regions if one[0] != tag))


State = Mapping[str, Labels]
"""The images of a project by the SHA-256 of their bytes."""


@dataclass
class PhotoSet:
    """A project that one actor alone writes to, one request at a time.

    So after a request whose answer was lost, the project is either as before or as after it, and this
    asserts it.

    Attributes:
        client: of the actor.
        project: id.
        tags: ids.
        state: what was acknowledged.
        ids: of images, by their SHA-256; those of deleted images stay.
        halves: requests whose answers were lost, and which had been carried out.
        undone: those that had not.
    """

    client: Client
    project: str
    tags: list[str] = field(default_factory=list)
    state: State = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    halves: int = 0
    undone: int = 0

    @property
    def path(self) -> str:
        return f"/projects/{self.project}"

    def add_tag(self, name: str) -> str:
        """Make a tag; that its answer was lost is seen in the list."""
        try:
            made = self.client.call("POST", f"{self.path}/tags", params={"name": name})
        except Unknown:
            self.client.wait()
            listed = self.client.known("GET", f"{self.path}/tags")
            found = [tag for tag in listed if tag["name"] == name]
            made = found[0] if found else None
        if made is None:
            return self.add_tag(name)
        self.tags.append(made["id"])
        return str(made["id"])

    def upload(
        self, random: np.random.Generator, colour: str, count: int, *tags: str, drawn: Sequence[Place] = ()
    ) -> bool:
        """Add so many new photos, each with these tags and regions; whether they are there."""
        photos = [new_photo(random, colour) for _ in range(count)]
        labels = Labels(frozenset([*tags, *(one[0] for one in drawn)]), frozenset(drawn))
        after = dict(self.state) | {hashed(one): labels for one in photos}

        def send() -> None:
            body = files(photos, tags, [_box(one) for one in drawn])
            done = self.client.call("POST", f"{self.path}/images/files", json=body)
            assert [one["status"] for one in done["images"]] == ["OK"] * count, done
            for data, one in zip(photos, done["images"], strict=True):
                self.ids[hashed(data)] = one["image"]["id"]

        return self._change(send, after)

    def tag(self, images: Sequence[str], tag: str) -> bool:
        """Tag images, given by their SHA-256."""
        after = dict(self.state) | {
            one: Labels(self.state[one].tags | {tag}, self.state[one].regions) for one in images
        }
        body = {"tags": [{"imageId": self.ids[one], "tagId": tag} for one in images]}
        return self._change(lambda: self.client.call("POST", f"{self.path}/images/tags", json=body), after)

    def untag(self, images: Sequence[str], tag: str) -> bool:
        """Take a tag off images."""
        after = dict(self.state) | {one: self.state[one].without(tag) for one in images}
        which = {"imageIds": ",".join(self.ids[one] for one in images), "tagIds": tag}
        return self._change(
            lambda: self.client.call("DELETE", f"{self.path}/images/tags", params=which), after
        )

    def draw(self, images: Sequence[str], tag: str, left: float) -> bool:
        """Draw a region on each image."""
        region = place(tag, left)
        after = dict(self.state) | {
            one: Labels(self.state[one].tags | {tag}, self.state[one].regions | {region}) for one in images
        }
        body = {"regions": [{"imageId": self.ids[one]} | _box(region) for one in images]}
        return self._change(lambda: self.client.call("POST", f"{self.path}/images/regions", json=body), after)

    def erase(self, images: Sequence[str], tag: str) -> bool:
        """Delete the regions of a tag on images."""
        which = {"imageIds": ",".join(self.ids[one] for one in images)}
        found = self.client.known("GET", f"{self.path}/images/id", params=which)
        regions = [one for image in found for one in image.get("regions") or () if one["tagId"] == tag]
        gone = {one["regionId"]: _place(one) for one in regions[:_AT_ONCE]}
        by_image = {image["id"]: {one["regionId"] for one in image.get("regions") or ()} for image in found}
        after = dict(self.state) | {
            one: self.state[one].erased(
                frozenset(gone[region] for region in by_image[self.ids[one]] & gone.keys())
            )
            for one in images
        }
        if not gone:
            return True
        query = {"regionIds": ",".join(gone)}
        return self._change(
            lambda: self.client.call("DELETE", f"{self.path}/images/regions", params=query), after
        )

    def delete(self, images: Sequence[str]) -> bool:
        """Delete images."""
        after = {one: labels for one, labels in self.state.items() if one not in images}
        which = {"imageIds": ",".join(self.ids[one] for one in images)}
        return self._change(lambda: self.client.call("DELETE", f"{self.path}/images", params=which), after)

    def verify(self) -> None:
        """See that everything acknowledged is there, and nothing else; and that the bytes are right."""
        observed = self.observe()
        assert observed == self.state, _differences(observed, self.state)
        for image in self._images():
            content = hashed(self.client.bytes_of(image["originalImageUri"]))
            assert self.ids[content] == image["id"]
            assert self.client.bytes_of(image["thumbnailUri"])

    def observe(self) -> State:
        """What is there now."""
        found: dict[str, Labels] = {}
        contents = {identity: content for content, identity in self.ids.items()}
        for image in self._images():
            content = contents.get(image["id"])
            if content is None:
                content = hashed(self.client.bytes_of(image["originalImageUri"]))
                assert content not in self.ids, "an image has another id than was acknowledged"
                self.ids[content] = image["id"]
            found[content] = _labels(image)
        return found

    def _change(self, send: Callable[[], Any], after: State) -> bool:
        before = self.state
        try:
            send()
            self.state = after
        except Unknown:
            self.client.wait()
            self.state = self.observe()
            assert self.state in (before, after), (
                f"a request was carried out by half: {_differences(self.state, before)}, "
                f"{_differences(self.state, after)}"
            )
            self.halves += self.state == after
            self.undone += self.state == before
        return self.state == after

    def _images(self) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = []
        for skip in itertools.count(step=_PAGE):
            query = {"take": _PAGE, "skip": skip}
            page = self.client.known("GET", f"{self.path}/images", params=query)
            images += page
            if len(page) < _PAGE:
                return images
        raise AssertionError


def place(tag: str, left: float) -> Place:
    """A region of a tag."""
    return tag, left, 0.25, 0.5, 0.5


def _box(region: Place) -> dict[str, Any]:
    return dict(zip(("tagId", "left", "top", "width", "height"), region, strict=True))


def _place(region: Mapping[str, Any]) -> Place:
    left, top, width, height = (round(region[name], 6) for name in ("left", "top", "width", "height"))
    return region["tagId"], left, top, width, height


def _labels(image: Mapping[str, Any]) -> Labels:
    regions = frozenset(_place(one) for one in image.get("regions") or ())
    return Labels(frozenset(tag["tagId"] for tag in image.get("tags") or ()), regions)


def _differences(here: State, there: State) -> list[object]:
    return [(here.get(one), there.get(one)) for one in {**here, **there} if here.get(one) != there.get(one)]
