"""`python -m edgecompress` is the command `edgecompress`."""

from edgecompress.cli.main import main

main()
