"""Writers of the committed reference data; `tools/make_golden.py` is the entry point."""
