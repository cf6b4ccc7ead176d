#!/usr/bin/env python3
"""A fake LLM server with knobs, as a process: `scripts/fake_upstream.py --help` lists them.

The first line it prints is its base URL. It serves until Ctrl-C or SIGTERM.
"""

import sys

from switchman.addons.testing.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
