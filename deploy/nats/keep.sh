# keep.sh clustered|observed: keeps the settings of a profile of compose.yaml for the site.
set -eu
kept=/site/$1.env
# A cluster's server has a store of the cluster's own; nats-server 2.15.
if [ "$1" = clustered ] && [ ! -e "$kept" ] && [ -d /data/jetstream ] &&
  [ ! -d '/data/jetstream/$SYS/_js_/_meta_' ]; then
  echo "This site has one NATS server, and its ledger is none of a cluster's:" \
    "docs/CONTAINERS.md. It stays one." >&2
  exit 1
fi
export -p | grep ' CABRANK_' >"$kept.new"
mv "$kept.new" "$kept"
