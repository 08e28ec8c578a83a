"""``python -m vral``."""

from vral.cli.main import main

main()
