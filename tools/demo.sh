#!/usr/bin/env bash
# The demo: real text found on this machine (the Python standard library's docstrings), its vectors, and what length
# does to them.
#
#   tools/demo.sh [MODEL_FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
model=${1:-models/all-MiniLM-L6-v2}
out=build/demo
treble=build/release/bin/treble
mkdir -p "$out"

python3 tools/stdlib_texts.py --limit 2500 >"$out/texts.jsonl"
printf '\n== %s docstrings of the Python standard library, to vectors ==\n' "$(wc -l <"$out/texts.jsonl")"
"$treble" embed --model "$model" "$out/texts.jsonl" -o "$out/vectors.npy" --force

printf '\n== What length does to them, as trained and at temperature 0.8 ==\n'
"$treble" inspect --model "$model" --temperature 0.8 "$out/texts.jsonl" --json "$out/collapse.json" --force

cat <<EOF

Written: $out/vectors.npy (+ .json), $out/collapse.json
Try next:
  $treble inspect --model $model --temperature 0.9 --temperature 0.7 YOUR_TEXTS.jsonl
  $treble embed --model $model --temperature 0.8 YOUR_TEXTS.txt -o vectors.npy
  $treble info --model $model
EOF
