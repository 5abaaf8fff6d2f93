#!/usr/bin/env bash
# A Docker engine on a Debian machine that has none, as root: `start` installs what is missing and starts it, `stop` ends it.
# Where an engine answers already, `start` does nothing. DOCKER_ROOT moves the images, DOCKER_RUN the socket and the pid.
set -euo pipefail
root=${DOCKER_ROOT:-/var/lib/docker} run=${DOCKER_RUN:-/run}
export DOCKER_HOST=${DOCKER_HOST:-unix://$run/docker.sock} DEBIAN_FRONTEND=noninteractive

answers() { docker version >/dev/null 2>&1; }
installed() { command -v dockerd >/dev/null && docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

# Debian 12's engine and compose are too old (no `up --wait`, no buildx); Debian 13's install on it as they are, since they
# want libc6 >= 2.34. The machine's own apt configuration is left alone: this one lives as long as the call.
install() {
  [ -f /etc/debian_version ] && [ "$(id -u)" = 0 ] || { echo 'install Docker with compose and buildx, or run this as root on Debian' >&2; exit 1; }
  . /etc/os-release
  local etc; etc=$(mktemp -d); trap 'rm -rf "$etc"; trap - RETURN' RETURN
  local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $VERSION_CODENAME" 'Component: main' | head -1)
  for suite in "$VERSION_CODENAME" "$VERSION_CODENAME-updates" trixie; do
    echo "deb [signed-by=$keyring] ${mirror:?apt on this machine names no mirror of Debian} $suite main"
  done | sort -u >"$etc/sources.list"
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n' >"$etc/preferences"   # only what is asked for by name
  [ "$VERSION_CODENAME" != trixie ] || : >"$etc/preferences"
  mkdir -p "$etc/lists/partial" "$etc/none"
  chmod -R a+rX "$etc"   # apt downloads as a user of its own
  local apt=(apt-get -qq -o Dir::Etc::SourceList="$etc/sources.list" -o Dir::Etc::SourceParts="$etc/none" -o Dir::State::Lists="$etc/lists"
    -o Dir::Etc::Preferences="$etc/preferences" -o Dir::Etc::PreferencesParts="$etc/none"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends iptables ca-certificates \
    docker.io/trixie docker-cli/trixie docker-compose/trixie docker-buildx/trixie containerd/trixie >/dev/null
}

start() {
  if answers; then return; fi
  installed || install
  if answers; then return; fi   # where services start by themselves
  mkdir -p "$run"
  setsid dockerd --data-root "$root" --exec-root "$run/docker" --pidfile "$run/docker.pid" -H "$DOCKER_HOST" \
    >"$run/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 120); do
    if answers; then return; fi
    sleep 0.5
  done
  tail -20 "$run/dockerd.log" >&2
  exit 1
}

stop() {
  [ -f "$run/docker.pid" ] || return 0
  local pid; pid=$(cat "$run/docker.pid")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 120); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.5
  done
  echo "dockerd (pid $pid) does not end" >&2
  exit 1
}

case ${1:-} in
  start | stop) "$1" ;;
  *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
