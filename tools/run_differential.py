#!/usr/bin/env python3
"""Hold Treble against sentence-transformers on random configurations; docs/differential.md says how.

.venv-golden/bin/python tools/run_differential.py [--start N] [--seeds N] [--jobs N] [--case FILE]
"""

from __future__ import annotations

import sys

from differential.run import main

if __name__ == "__main__":
    sys.exit(main())
