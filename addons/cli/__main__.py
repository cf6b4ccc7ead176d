"""`python -m switchman.addons.cli` is the `switchman` command."""

import sys

from switchman.addons.cli import main

if __name__ == "__main__":
    sys.exit(main())
