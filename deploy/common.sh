# Shared by the scripts of this folder; source it. Leaves the working directory at the repository root.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/packages.sh

say() { printf '\n==> %s\n' "$*"; }

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# install_packages NAME...: what is missing of these, with apt; asks for root only when it has to.
install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query --show --showformat='${Status}\n' "$name" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$name")
  done
  if ((${#missing[@]} == 0)); then
    say "all packages are installed"
    return
  fi
  command -v apt-get >/dev/null || fail "these packages are needed, and there is no apt-get to install them: ${missing[*]}"
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "run as root, or install these packages first: ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build PRESET [TARGET...]: configures with the options in $cmake_options and builds.
cmake_options=()
build() {
  local preset=$1 && shift
  say "building build/$preset (log of the configuration: build/$preset.configure.log)"
  mkdir -p build
  cmake --preset "$preset" "${cmake_options[@]}" >"build/$preset.configure.log" 2>&1 || { cat "build/$preset.configure.log" >&2; fail "cmake --preset $preset failed"; }
  cmake --build --preset "$preset" ${*:+--target "$@"}
}

bin=build/release/bin
address=${STRIDED_LISTEN:-127.0.0.1:50051}
metrics=${STRIDED_METRICS_LISTEN:-127.0.0.1:9464}

# build_programs: the server and the command line, and the packages that they need.
build_programs() {
  install_packages "${build_packages[@]}"
  # Tests need more packages. Where test.sh has configured them already, they stay.
  [[ -f build/release/CMakeCache.txt ]] || cmake_options=(-DSTRIDED_TESTS=OFF)
  build release strided stride
}

# start_server [FLAG...]: with the bundled models, in $server; returns when every model is loaded and warm. It is
# stopped when the script ends.
start_server() {
  say "starting the server on $address (log: build/server.log)"
  "$bin/strided" --model_repository=deploy/models --listen="$address" --metrics_listen="$metrics" "$@" 2>build/server.log &
  server=$!
  trap stop_server EXIT
  local deadline=$((SECONDS + 120))
  until "$bin/stride" health --address "$address" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || { tail -n 5 build/server.log >&2; fail "the server ended; its last words are above"; }
    ((SECONDS < deadline)) || fail "the server was not ready after 120 seconds; see build/server.log"
    read -rt 0.1 <> <(:) || true
  done
}

stop_server() {
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}
