"""The commands of the shell, a file each; ``indexer/cli.py`` finds them by name."""
