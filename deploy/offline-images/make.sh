#!/usr/bin/env bash
# Builds stand-ins for the public images that docker-compose.yml and deploy/Dockerfile name, out of Debian's and Maven's
# packages only. For machines that reach no image registry; everywhere else Docker pulls the real images.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mark=veleta.stand-in                        # docker image ls --filter label=veleta.stand-in
kafka=4.2.1 registry=3.3.3

tools() { # what a stand-in is made with
  [ -z "$(for tool in mmdebstrap mvn xz; do command -v "$tool" >/dev/null || echo "$tool"; done)" ] && return
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mmdebstrap maven default-jre-headless xz-utils >/dev/null
}
fetch() { # Kafka, the registry and PostgreSQL as development has them, but in the images' versions; unpacked below $work
  [ -d "$work/tools" ] && return
  cp -r ../../dev/pom.xml ../../dev/servers ../../dev/serde "$work"
  rm -rf "$work"/*/target
  mvn -q -B -f "$work/pom.xml" -pl servers -Dtools.dir="$work/tools" \
    -Dkafka.version=$kafka -Dregistry.version=$registry generate-resources >/dev/null
  mkdir "$work/postgres" && tar -xJf "$work"/tools/postgres/postgres-*.txz -C "$work/postgres"
}
build() { docker build -q --label "$mark=" "$@" >/dev/null; }
debian() { # a slim Debian root that trusts this machine's extra certificate authorities
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -1)
  mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='copy-in apt/docker-clean /etc/apt/apt.conf.d' \
    --customize-hook='mkdir -p "$1/usr/local/share/ca-certificates"' \
    --customize-hook='find /usr/local/share/ca-certificates -name "*.crt" -exec cp {} "$1/usr/local/share/ca-certificates/" \;' \
    --customize-hook='rm -rf "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*' \
    "$1" - "${mirror:?apt on this machine names no mirror of Debian}" | docker import --change 'CMD ["bash"]' --change "LABEL $mark=" - "$2" >/dev/null
}
rust() { build -t "$1" --build-context toolchain="$(rustc --print sysroot)" rust; }
postgres() { fetch; build -t "$1" --build-context programs="$work/postgres" postgres; }
kafka() { fetch; build -t "$1" --build-context libs="$work/tools/kafka" kafka; }
registry() { fetch; build -t "$1" --build-context app="$work/tools/registry" registry; }
want() { # tag, command: only what is not there yet
  if docker image inspect "$1" >/dev/null 2>&1; then return; fi
  local start=$SECONDS
  "${@:2}"
  echo "stand-in for $1: $((SECONDS - start)) s"
}

tools
want debian:bookworm-slim                       debian bookworm debian:bookworm-slim
want debian:trixie-slim                         debian trixie debian:trixie-slim
want rust:1.95-slim-bookworm                    rust rust:1.95-slim-bookworm
want postgres:18-bookworm                       postgres postgres:18-bookworm
want apache/kafka:$kafka                        kafka apache/kafka:$kafka
want apicurio/apicurio-registry:$registry       registry apicurio/apicurio-registry:$registry
