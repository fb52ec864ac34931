#!/usr/bin/env bash
# Runs each fuzz target for SECONDS (default 60), keeping what it finds under build/fuzz/corpus. The golden models'
# files are where it begins.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."
seconds=${1:-60}
seeds=build/fuzz/seeds
rm -rf "$seeds"
mkdir -p "$seeds"/{safetensors,encoder_config,module_config,tokenizer,temperature,state_control,http_request,json_body}

# seed TARGET FILE…: a copy of each file under a name of its own.
seed() {
  local target=$1 file
  shift
  for file in "$@"; do
    cp "$file" "$seeds/$target/$(printf '%s' "$file" | tr '/' '_')"
  done
}
seed safetensors tests/golden/bert/model/*.safetensors tests/golden/bert-{f16,bf16,sharded}/model/*.safetensors* \
  tests/golden/pooling/*/*/*.safetensors
seed encoder_config tests/{golden,data}/*/model/config.json
printf '{"d_model": 16, "n_layer": 2, "vocab_size": 58, "rms_norm": true, "ssm_cfg": {"layer": "Mamba2", "headdim": 8}}' \
  >"$seeds/encoder_config/mamba2_authors"
seed module_config tests/golden/{pooling/*,*/model}/{modules.json,[0-9]_*/config.json}
printf '{"schema": "treble.temperature_profile/1", "lengths": [32, 64], "logit_scales": [[[1, 1.5]], [[1, 2]]]}' \
  >"$seeds/temperature/profile"
for written in 0.8 log:128 ssmax:0.43 ssmax:0.4,0.1 yarn:512; do
  printf '%s' "$written" >"$seeds/temperature/$written"
done
for written in none rri:0.9999,0.75 window:512 norm:3.5 norm:inf; do
  printf '%s' "$written" >"$seeds/state_control/$written"
done
# The first byte is the length of the pieces.
printf '\7GET /embed?a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' >"$seeds/http_request/get"
printf '\1POST http://a/embed HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody' >"$seeds/http_request/post"
printf '\3POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nT: t\r\n\r\n' \
  >"$seeds/http_request/chunked"
# The first byte chooses the route.
number=0
for fields in '"temperature": "log:8", "normalize": false, "dimensions": 8' '"truncate": true, "truncation_direction": "Left"' \
  '"max_length": 9, "prompt": "query: ", "user": "me"' '"parameters": {"temperature": 0.8}' '"add_special_tokens": false' \
  '"skip_special_tokens": false' '"encoding_format": "base64"' '"temperatures": [0.8], "posts": ["centring"], "layers": [0]' \
  '"queries": "x", "sample": 2, "bootstrap": 9, "seed": 1, "cut_lengths": [4], "bucket_edges": [4], "neighbors": 1'; do
  for inputs in '"a cat"' '["a", "the ferry"]' '[5, 6]' '[[5], [6, 7]]' '{"source_sentence": "a", "sentences": ["b"]}' \
    '[{"id": "x", "text": "a cat"}]'; do
    for route in 0 1 2 3 4 5 6 7; do
      number=$((number + 1))
      printf "\\$route"'{"model": "tiny", "inputs": %s, "input": %s, "ids": %s, %s}' "$inputs" "$inputs" "$inputs" "$fields" \
        >"$seeds/json_body/$number"
    done
  done
done

for target in build/fuzz/bin/fuzz_*; do
  name=$(basename "$target")
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  echo "== $name for $seconds s"
  "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
    "$corpus" "$seeds/${name#fuzz_}"
done
