#!/bin/sh
# Upgrades a running compose.yaml without an outage: deploy/roll.sh [SERVICE...]
#
# After `docker compose build` (or a new CABRANK_IMAGE): migrates the database, then, for
# one service after another, starts as many new containers as there are, waits until they
# are ready, and only then stops the old ones, which drain. Who reads a newer shape comes
# before who writes it. NATS, PostgreSQL and the proxy are left alone. No profile has to
# be named, and the files that the site was started with (--file, --env-file) are used
# again; another project's name is COMPOSE_PROJECT_NAME.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- persistence webhooks dispatcher gateway
FOUND_TRIES=60   # for the proxy to find new gateways: 2 s where measured

gateways_up() {
  docker compose exec -T proxy wget -q -O - http://127.0.0.1:8404/metrics |
    grep -c '^haproxy_server_status{proxy="gateways".*state="UP".* 1$'
}

running=$(docker compose ps --quiet "$1" | head -n 1)
label() {
  docker inspect --format "{{index .Config.Labels \"com.docker.compose.project.$1\"}}" "$running"
}
if [ "$running" ] && [ -z "${COMPOSE_FILE:-}" ]; then
  COMPOSE_FILE=$(label config_files)
  export COMPOSE_FILE COMPOSE_PATH_SEPARATOR=,
fi
if [ "$running" ] && [ -z "${COMPOSE_ENV_FILES:-}" ]; then
  COMPOSE_ENV_FILES=$(label environment_file)
  [ -z "$COMPOSE_ENV_FILES" ] || export COMPOSE_ENV_FILES
fi

docker compose run --rm --no-deps -T migrate
for service; do
  old=$(docker compose ps --quiet "$service")
  count=$(echo "$old" | wc -w)
  [ "$count" -gt 0 ] || { echo "$service does not run." >&2; exit 1; }
  docker compose up --detach --wait --no-deps --no-recreate \
    --scale "$service=$((count * 2))" "$service"
  if [ "$service" = gateway ]; then
    tries=0
    until [ "$(gateways_up)" -ge $((count * 2)) ]; do
      [ $((tries += 1)) -lt $FOUND_TRIES ] || { echo "The proxy misses gateways." >&2; exit 1; }
      sleep 1
    done
  fi
  for container in $old; do
    docker stop --time 30 "$container" >/dev/null
    docker rm "$container" >/dev/null
  done
  echo "$service: $count replaced"
done
