#!/usr/bin/env bash
# From a fresh machine to streaming samples: installs packages, builds, starts the server on loopback
# with the bundled models, samples from each (text to this terminal, an image, a piece of sound), and
# keeps serving.
#
#   ./deploy/quickstart.sh           serves until Ctrl-C
#   ./deploy/quickstart.sh --once    stops after the samples
#
# STRIDED_LISTEN and STRIDED_METRICS_LISTEN choose other addresses (defaults 127.0.0.1:50051 and :9464).

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

once=false
case "${1-}" in
  '') ;;
  --once) once=true ;;
  *) fail "unknown argument '$1'; the only one is --once" ;;
esac

samples=build/samples

# show_sample MODEL MODALITY: what it samples, to this terminal or to a file that is named.
show_sample() {
  local model=$1 modality=$2
  local generate=("$bin/stride" generate --address "$address" --model "$model")
  case "$modality" in
    text)
      say "a text by '$model'"
      "${generate[@]}" --prompt "The history of " --echo --max-new-tokens 600 --temperature 0.8
      ;;
    image)
      say "four images by '$model': $samples/$model-0.png to -3.png, and all in $samples/$model-sheet.png"
      "${generate[@]}" --samples 4 --output "$samples/$model.png" --sheet "$samples/$model-sheet.png"
      ;;
    audio)
      say "two seconds of sound by '$model': $samples/$model.wav"
      "${generate[@]}" --length "$(two_seconds "$model")" --output "$samples/$model.wav"
      ;;
    *) say "'$model' makes $modality, of which this script shows nothing" ;;
  esac
}

# two_seconds MODEL: so many of its tokens.
two_seconds() {
  local rate
  rate=$("$bin/stride" models --json --address "$address" | grep "\"name\":\"$1\"" | grep -o '"sample_rate_hz":[0-9]*' | head -n 1)
  echo $((2 * ${rate#*:}))
}

build_programs
mkdir -p "$samples"
start_server
"$bin/stride" models --address "$address"

begin=$SECONDS
while read -r model state modality; do
  if [[ $state == READY ]]; then
    show_sample "$model" "$modality"
  else
    say "'$model' is $state: no sample"
  fi
done < <("$bin/stride" models --address "$address" | awk 'NR > 1 && /^[^ ]/ { print $1, $3, $4 }' | sort -k 3,3r)  # text first
say "sampled in $((SECONDS - begin)) s; metrics: http://$metrics/metrics"

if $once; then
  say "stopping, as --once asks"
else
  say "serving on $address until Ctrl-C; in another terminal: $bin/stride generate --model text --prompt 'The '"
  wait "$server"
fi
