#!/usr/bin/env bash
# From a fresh machine to streaming samples: installs packages, builds, starts the server on loopback
# with the bundled models, streams a sample of each, and keeps serving.
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

address=${STRIDED_LISTEN:-127.0.0.1:50051}
metrics=${STRIDED_METRICS_LISTEN:-127.0.0.1:9464}
samples=build/samples
bin=build/release/bin

install_packages "${build_packages[@]}"
# Tests need more packages. Where test.sh has configured them already, they stay.
[[ -f build/release/CMakeCache.txt ]] || cmake_options=(-DSTRIDED_TESTS=OFF)
build release strided stride

say "starting the server on $address (log: build/server.log)"
mkdir -p "$samples"
"$bin/strided" --model_repository=deploy/models --listen="$address" --metrics_listen="$metrics" 2>build/server.log &
server=$!
stop_server() { kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
trap stop_server EXIT

# `stride health` answers as soon as every model is loaded and warm.
deadline=$((SECONDS + 120))
until "$bin/stride" health --address "$address" >/dev/null 2>&1; do
  kill -0 "$server" 2>/dev/null || { tail -n 5 build/server.log >&2; fail "the server ended; its last words are above"; }
  ((SECONDS < deadline)) || fail "the server was not ready after 120 seconds; see build/server.log"
  read -rt 0.1 <> <(:) || true
done
"$bin/stride" models --address "$address"

for model in $(ls deploy/models); do
  [[ -d deploy/models/$model ]] || continue
  say "a sample of '$model'"
  case "$model" in
    text*) "$bin/stride" generate --address "$address" --model "$model" --max-new-tokens 600 --temperature 0.8 --prompt "The history of " --echo ;;
    image*) "$bin/stride" generate --address "$address" --model "$model" --output "$samples/$model.png" && echo "$samples/$model.png" ;;
    *) "$bin/stride" generate --address "$address" --model "$model" --max-new-tokens 24000 --output "$samples/$model.wav" && echo "$samples/$model.wav" ;;
  esac
done

say "metrics: http://$metrics/metrics"
if $once; then
  say "stopping, as --once asks"
else
  say "serving on $address until Ctrl-C; in another terminal: $bin/stride generate --prompt 'The '"
  wait "$server"
fi
