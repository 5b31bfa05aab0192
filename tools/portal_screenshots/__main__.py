"""`python -m portal_screenshots [FOLDER]`, for `make portal-screenshots`."""

from __future__ import annotations

import sys
from pathlib import Path

from dahlia.errors import DahliaError
from portal_screenshots.filled import filled_server
from portal_screenshots.pictures import take_pictures

FOLDER = Path(".dahlia") / "portal-screenshots"

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        with filled_server() as filled:
            made = take_pictures(filled, folder)
    except DahliaError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"{len(made)} pictures in {folder}")
