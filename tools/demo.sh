#!/usr/bin/env bash
# The demo: real text found on this machine (the Python standard library's docstrings), its vectors, what length does to
# them, and whether something against it helps.
#
#   tools/demo.sh [MODEL_FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
model=${1:-models/all-MiniLM-L6-v2}
out=build/demo
treble=build/release/bin/treble
mkdir -p "$out"

python3 tools/stdlib_texts.py --limit 2000 >"$out/texts.jsonl"
printf '\n== %s docstrings of the Python standard library, to vectors ==\n' "$(wc -l <"$out/texts.jsonl")"
"$treble" embed --model "$model" "$out/texts.jsonl" -o "$out/vectors.npy" --force

printf '\n== What length does to them, as trained and at temperature 0.8 ==\n'
"$treble" inspect --model "$model" --temperature 0.8 "$out/texts.jsonl" --json "$out/collapse.json" \
  --html "$out/collapse.html" --force

python3 tools/stdlib_texts.py --limit 200 --retrieval "$out/labelled"
printf '\n== Does it help to sharpen attention, or to read long texts in pieces? 200 first lines look for their docstrings ==\n'
"$treble" sweep --model "$model" -t 0.9 -t 0.8 --post chunk-mean "$out/labelled" --json "$out/sweep.json" \
  --html "$out/sweep.html" --force

cat <<EOF

Written to $out: vectors.npy (+ .json); collapse.html and sweep.html, to open in a browser; the same as .json
Try next, with texts of your own:
  $treble inspect --model $model --temperature 0.9 --temperature 0.7 YOUR_TEXTS.jsonl
  $treble sweep --model $model YOUR_LABELLED_FOLDER    # its form: docs/sweep.md
  $treble serve --model $model
EOF
