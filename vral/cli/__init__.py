"""The command line: ``vral`` and its commands, one file each."""
