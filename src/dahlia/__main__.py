"""`python -m dahlia` is `dahlia`."""

from dahlia.cli import main

if __name__ == "__main__":
    main()
