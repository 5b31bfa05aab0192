"""`python -m dahlia` is `dahlia`; with `DAHLIA_WARM` it is forked from a process that has all imported."""

import os


def main() -> None:
    """Run the command line."""
    from dahlia.cli import main as run

    run()


if __name__ == "__main__":
    if "DAHLIA_WARM" in os.environ:
        from dahlia.warm.client import hand_over

        hand_over("dahlia")
    main()
