"""``vral`` and ``python -m vral``: where both begin."""

import sys


def start() -> None:
    """Run the command line; on Ctrl-C while it is still being imported, end with one line too."""
    try:
        from vral.cli.main import main

        main()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    start()
