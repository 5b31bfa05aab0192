"""Finds objects in a photo: `python python/predict.py photo.jpg [SCORE [ADDRESS]]`, beside the container.

Needs Python alone. Prints a line for each object of at least SCORE (0.3): its tag, its score, and left, top,
width and height in fractions of the photo. ADDRESS is the container's (http://127.0.0.1:8080).
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

ADDRESS = "http://127.0.0.1:8080"
LEAST = 0.3


def main(photo: str, least: float, address: str) -> None:
    """Print what is found."""
    headers = {"Content-Type": "application/octet-stream"}
    body = Path(photo).read_bytes()
    request = urllib.request.Request(f"{address}/image", body, headers)  # noqa: S310  # the user's own server
    with urllib.request.urlopen(request) as response:  # noqa: S310
        predictions = json.load(response)["predictions"]
    for one in predictions:
        if one["probability"] >= least:
            place = (one["boundingBox"][name] for name in ("left", "top", "width", "height"))
            print(one["tagName"], *(f"{number:.4f}" for number in (one["probability"], *place)))


def asked(words: list[str]) -> tuple[str, float, str]:
    """The photo, the lowest score and the address of a command line; another one ends the program."""
    script, *rest = words
    if len(rest) in (1, 2, 3):
        try:
            least = float(rest[1]) if len(rest) > 1 else LEAST
            return rest[0], least, rest[2] if len(rest) > 2 else ADDRESS
        except ValueError:
            pass
    sys.exit(f"Usage: python {script} PHOTO [SCORE [ADDRESS]], such as photo.jpg {LEAST} {ADDRESS}")


if __name__ == "__main__":
    main(*asked(sys.argv))
