"""`python -m dahlia.warm dvc ARGUMENTS` is DVC, forked where it can be; `... serve SOCKET` what forks it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run DVC, or be the warm process."""
    match sys.argv[1:]:
        case ["dvc", *arguments]:
            from dahlia.warm.client import hand_over
            from dahlia.warm.commands import run_program

            sys.argv = ["dvc", *arguments]
            hand_over("dvc")
            sys.exit(run_program("dvc"))
        case ["serve", path]:
            from pathlib import Path

            from dahlia.warm.server import serve

            serve(Path(path))
        case _:
            sys.exit("Expected `python -m dahlia.warm dvc` and DVC's arguments, such as `repro`.")


if __name__ == "__main__":
    main()
