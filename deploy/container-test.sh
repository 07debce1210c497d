#!/usr/bin/env bash
# Builds the container, runs it without rights, streams from it, and stops it with SIGTERM.
#
# With a Docker engine it uses that and the public base image. Without one it uses buildah, and a base
# image that debootstrap makes (as root); DEBIAN_MIRROR names another mirror.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

work=build/container
mkdir -p "$work"
grpc=127.0.0.1:50951
metrics=127.0.0.1:9964
log=$work/server.log

if docker info >/dev/null 2>&1; then
  engine=docker
else
  engine=buildah
  install_packages buildah debootstrap ca-certificates procps
fi
say "using $engine"

store=(buildah --root "$PWD/$work/storage" --runroot "$PWD/$work/run" --storage-driver vfs)

base_image() {
  "${store[@]}" images --quiet localhost/strided-base >/dev/null 2>&1 && return
  local root=$work/base
  if [[ ! -f $work/base.tar ]]; then
    say "making a Debian 12 base image"
    rm -rf "$root"
    debootstrap --variant=minbase bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log"
    tar -C "$root" -cf "$work/base.tar" .
    rm -rf "$root"
  fi
  local container
  container=$("${store[@]}" from scratch)
  "${store[@]}" add --quiet "$container" "$work/base.tar" / >/dev/null
  "${store[@]}" config --cmd /bin/bash "$container"
  "${store[@]}" commit --quiet --rm "$container" localhost/strided-base >/dev/null
}

build_image() {
  say "building the image"
  if [[ $engine == docker ]]; then
    docker build -t strided .
  else
    base_image
    "${store[@]}" bud --layers --isolation chroot --pull-never --build-arg BASE=localhost/strided-base -t localhost/strided .
  fi
}

# Leaves the process that runs the container in $runner.
start_container() {
  say "starting the container on $grpc"
  if [[ $engine == docker ]]; then
    docker run --rm --name strided-test --read-only --cap-drop=ALL --network=host \
      -e STRIDED_LISTEN="$grpc" -e STRIDED_METRICS_LISTEN="$metrics" strided 2>"$log" &
  else
    container=$("${store[@]}" from --pull-never localhost/strided)
    "${store[@]}" run --isolation chroot --env STRIDED_LISTEN="$grpc" --env STRIDED_METRICS_LISTEN="$metrics" \
      "$container" -- strided 2>"$log" &
  fi
  runner=$!
}

# The server's process id; nothing once it has ended. Other servers may run on this machine.
server_pid() {
  if [[ $engine == docker ]]; then
    docker inspect --format '{{.State.Pid}}' strided-test 2>/dev/null || true
    return
  fi
  local pid ancestor
  for pid in $(pgrep -x strided); do
    ancestor=$pid
    while [[ -n $ancestor ]] && ((ancestor > 1)); do
      ancestor=$(ps -o ppid= -p "$ancestor" | tr -d ' ') || true
      if [[ $ancestor == "$runner" ]]; then
        echo "$pid"
        return
      fi
    done
  done
}

# stride ARGUMENT...: the client inside the container.
stride() {
  if [[ $engine == docker ]]; then
    docker exec strided-test stride "$@"
  else
    "${store[@]}" run --isolation chroot "$container" -- stride "$@"
  fi
}

await_ready() {
  local deadline=$((SECONDS + 120))
  until stride health --address "$grpc" >/dev/null 2>&1; do
    kill -0 "$runner" 2>/dev/null || { cat "$log" >&2; fail "the container ended before it was ready"; }
    ((SECONDS < deadline)) || { cat "$log" >&2; fail "not ready after 120 seconds"; }
  done
}

build_image
start_container
trap 'pid=$(server_pid); [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true' EXIT
await_ready

pid=$(server_pid)
[[ -n $pid ]] || fail "no process named strided"
user=$(stat -c %u "/proc/$pid")
[[ $user == 65532 ]] || fail "the server runs as user $user; expected 65532"
say "the server runs as user $user"

say "streaming a sample of every model"
stride models --address "$grpc"
for model in $(ls -d deploy/models/*/); do
  stride generate --address "$grpc" --model "$(basename "$model")" --max-new-tokens 96 --seed 1 --json | tail -n 1 | grep -q '"generated_tokens"' ||
    fail "no complete stream from $(basename "$model")"
done

say "stopping with SIGTERM"
kill -TERM "$pid"
status=0
wait "$runner" || status=$?
trap - EXIT
((status == 0)) || { cat "$log" >&2; fail "exit status $status after SIGTERM; expected 0"; }
say "container: built, unprivileged, streamed, drained"
