"""``python -m vral``."""

from vral.cli import main

main()
