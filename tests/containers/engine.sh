#!/usr/bin/env bash
# Runs a command beside a container engine.
#
#   engine.sh COMMAND...
#
# Where `docker info` answers, that engine and the official images are used. Where none
# does, on Debian as root, one is set up for the time of the command: Debian's Docker
# Engine, unpacked, not installed, in network, mount and cgroup namespaces of its own. So
# nothing of the machine is changed (packages, iptables, interfaces, sysctls), nothing of
# it is reached from inside, and all of it ends with the command. There is no way out
# either, hence no registry: stand-ins for the official images are made of the machine's
# own programs (standins.py).
#
# Status: the command's; 75 (EX_TEMPFAIL) where no engine can be had, said in one line.
# What is downloaded and built is kept in ENGINE_DIR (.venv/engine).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
ENGINE_DIR=${ENGINE_DIR:-$REPOSITORY/.venv/engine}
ROOT=$ENGINE_DIR/root          # the unpacked packages
WHEELS=$REPOSITORY/deploy/image/wheels
FETCH_MAX_S=240                # packages and wheels: 15 s where measured
UP_MAX_TENTHS=300              # the engine: 0.6 s where measured

none() { echo "No container engine: $1." >&2; exit 75; }
say() { printf '%s\n' "$*" >&2; }

# ---- what has to come from outside ----------------------------------------------------

# Packages that are missing with all that they need, into $ROOT.
unpack() { # unpack OPTIONS... -- PACKAGES...
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  local archives=$ENGINE_DIR/debs/$1
  mkdir -p "$archives/partial"
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends --download-only \
    -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=120 \
    -o Dir::Cache::archives="$archives" "${options[@]}" install "$@" >/dev/null
  local deb
  for deb in "$archives"/*.deb; do dpkg -x "$deb" "$ROOT"; done
}

# The engine, compose and buildx. Debian 12 has neither of the last two, and its engine
# writes the time of the build into an image whatever it is told (BuildKit before 0.11).
# Those of Debian 13 run on it (they need libc6 2.34; its runc wants a newer one); its
# package list is kept apart from the machine's.
engine() {
  local to=$ENGINE_DIR/docker/cli-plugins private=$ENGINE_DIR/trixie mirror options deb
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list \
    /etc/apt/sources.list.d 2>/dev/null | grep -v snapshot | head -1 | tr -d ' ') || true
  rm -rf "$private/debs"   # of an earlier version
  mkdir -p "$to" "$private/lists/partial" "$private/debs"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "${mirror:-http://deb.debian.org/debian} trixie main" >"$private/sources.list"
  options=(-qq -o APT::Sandbox::User=root -o Acquire::Languages=none
    -o Dir::Etc::sourcelist="$private/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$private/lists" -o Dir::Cache="$private")
  apt-get "${options[@]}" update >/dev/null
  (cd "$private/debs" && apt-get "${options[@]}" download docker.io docker-cli containerd \
    docker-compose docker-buildx >/dev/null)
  for deb in "$private"/debs/*.deb; do dpkg -x "$deb" "$ROOT"; done
  cp "$ROOT"/usr/libexec/docker/cli-plugins/* "$to/"
  echo '{}' >"$ENGINE_DIR/docker/config.json"
}

# The Python that stands in for the image's: the image's own version where there is one.
python() {
  local found
  for found in "$HOME"/.pyenv/versions/3.12*/bin/python3; do
    [ -x "$found" ] && { echo "$found"; return; }
  done
  "$REPOSITORY/.venv/bin/python" -c 'import sys; print(sys.base_exec_prefix + "/bin/python3")'
}

fetch() {
  local stamp
  stamp=$ENGINE_DIR/fetched-$(cat "$REPOSITORY"/requirements{,-build}.lock \
    "$HERE/engine.sh" | sha256sum | cut -c1-16)
  [ -e "$stamp" ] && return
  mkdir -p "$ROOT"
  apt-get -qq update >/dev/null || true   # an outdated list may do
  unpack -- runc iptables
  unpack -- haproxy
  unpack -- busybox-static
  command -v strip >/dev/null || unpack -- binutils
  ln -sf xtables-nft-multi "$ROOT/usr/sbin/iptables"
  ln -sf xtables-nft-multi "$ROOT/usr/sbin/ip6tables"
  engine
  # docker build has no index to ask in there.
  "$(python)" -m pip --quiet --disable-pip-version-check download --require-hashes \
    --dest "$WHEELS" -r "$REPOSITORY/requirements.lock" \
    -r "$REPOSITORY/requirements-build.lock" 2>"$ENGINE_DIR/pip.log" ||
    { tail -n 3 "$ENGINE_DIR/pip.log" >&2; return 1; }
  touch "$stamp"
}

# ---- the engine in its namespaces -----------------------------------------------------

cgroups() { # of our own mount namespace: what dockerd makes is seen by nobody else
  local kind controller
  kind=$(stat -fc %T /sys/fs/cgroup)
  mount -t sysfs none /sys || return 1
  if [ "$kind" = cgroup2fs ]; then mount -t cgroup2 none /sys/fs/cgroup; return; fi
  mount -t tmpfs none /sys/fs/cgroup || return 1
  while read -r controller; do
    mkdir "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" none "/sys/fs/cgroup/$controller" ||
      rmdir "/sys/fs/cgroup/$controller"
  done < <(awk '!/^#/ && $4 { print $1 }' /proc/cgroups)
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd || true
}

stop_engine() { # stop_engine PID: what were left would die with the namespace
  docker ps -aq | xargs -r docker rm -fv >/dev/null 2>&1 || true
  kill "$1" && wait "$1" || true
  find /sys/fs/cgroup -depth -path '*/docker*' -type d -exec rmdir {} + 2>/dev/null || true
}

inside() { # inside COMMAND...: we are alone in the namespaces
  local run=$ENGINE_RUN pid status=0 tenths=0
  cgroups || none "control groups can't be mounted"
  ip link set lo up
  export PATH=$ROOT/usr/sbin:$ROOT/usr/bin:$PATH
  export LD_LIBRARY_PATH=$ROOT/usr/lib/x86_64-linux-gnu XTABLES_LIBDIR=$ROOT/usr/lib/x86_64-linux-gnu/xtables
  export DOCKER_HOST=unix://$run/docker.sock DOCKER_CONFIG=$ENGINE_DIR/docker DOCKER_BUILDKIT=1
  dockerd --data-root "$ENGINE_DIR/data" --exec-root "$run/exec" --pidfile "$run/pid" \
    -H "$DOCKER_HOST" --ip 127.0.0.1 >"$ENGINE_DIR/dockerd.log" 2>&1 </dev/null &
  pid=$!
  until docker info >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null && [ $((tenths += 1)) -lt $UP_MAX_TENTHS ] ||
      { kill "$pid" 2>/dev/null || true
        none "the engine does not start here ($(tail -n 1 "$ENGINE_DIR/dockerd.log"))"; }
    sleep 0.1
  done
  trap "stop_engine $pid" EXIT
  unset LD_LIBRARY_PATH
  "$REPOSITORY/.venv/bin/python" -m tests.containers.standins "$ROOT" "$(python)" \
    >"$run/images" || none "the stand-in images can't be made"
  set -a; . "$run/images"; set +a
  docker run --rm --publish 127.0.0.1::4222 --memory 64m "$CABRANK_NATS_IMAGE" --version \
    >/dev/null || none "containers don't start here"
  # testcontainers: the engine is on this host, and its reaper's image can't be pulled.
  export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_CONNECTION_MODE=docker_host
  export PIP_NO_INDEX=1
  CABRANK_FILES=$(ulimit -Hn)   # no more can be given than we have
  export CABRANK_FILES
  "$@" || status=$?
  exit "$status"
}

# ---------------------------------------------------------------------------------------

cd "$REPOSITORY"
if [ "${ENGINE_RUN:-}" ]; then inside "$@"; fi
if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then exec "$@"; fi
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && command -v unshare >/dev/null ||
  none "docker info does not answer, and setting one up needs Debian and root"
unshare --net --mount --pid --fork --mount-proc true 2>/dev/null ||
  none "namespaces can't be made"
mkdir -p "$ENGINE_DIR"
exec 9>"$ENGINE_DIR/lock"
flock -w 600 9 || none "another run holds $ENGINE_DIR"
export -f fetch unpack engine python none say
export HERE REPOSITORY ENGINE_DIR ROOT WHEELS
timeout "$FETCH_MAX_S" bash -euo pipefail -c fetch ||
  none "its packages can't be fetched (Debian's Docker Engine, and wheels)"
ENGINE_RUN=$(mktemp -d /tmp/cabrank-engine.XXXXXX)   # short: sockets' paths are limited
export ENGINE_RUN
status=0
unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
  bash "$HERE/engine.sh" "$@" 9>&- || status=$?
rm -rf "$ENGINE_RUN"
exit "$status"
