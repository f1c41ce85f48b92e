#!/usr/bin/env python
"""Run Waystation's management commands."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
    from exchange import terminal

    terminal.run(sys.argv)
