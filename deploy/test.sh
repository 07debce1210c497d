#!/usr/bin/env bash
# Installs packages, builds, runs every test.
#
#   ./deploy/test.sh                      the release build
#   ./deploy/test.sh release asan tsan    one preset after the other
#
# CUDA code is compiled where nvcc is found; its tests are skipped, visibly, where no device is.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

(($#)) || set -- release
install_packages "${build_packages[@]}" "${test_packages[@]}"

cmake_options=(-DSTRIDED_TESTS=ON)  # quickstart.sh leaves them out
failed=()
for preset in "$@"; do
  build "$preset"
  say "testing build/$preset"
  ctest --preset "$preset" || failed+=("$preset")
done
((${#failed[@]} == 0)) || fail "tests failed in: ${failed[*]}"
