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
