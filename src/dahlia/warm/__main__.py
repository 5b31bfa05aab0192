"""`python -m dahlia.warm dvc ARGUMENTS`, and `... export FOLDER`: forked from `... serve` where possible."""

from __future__ import annotations

import sys


def main() -> None:
    """Run DVC or an export, or be the warm process."""
    match sys.argv[1:]:
        case ["dvc" | "export" as program, *arguments]:
            from dahlia.warm.client import hand_over
            from dahlia.warm.protocol import run_program

            sys.argv = [program, *arguments]
            hand_over(program)
            sys.exit(run_program(program))
        case ["serve", path]:
            from pathlib import Path

            from dahlia.warm.server import serve

            serve(Path(path))
        case _:
            sys.exit("Expected `python -m dahlia.warm dvc` and DVC's arguments, such as `repro`.")


if __name__ == "__main__":
    main()
