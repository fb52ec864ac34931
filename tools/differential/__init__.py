"""The differential test: random configurations, each held against sentence-transformers (docs/differential.md)."""
