# One server, or one of three: as the profile `cluster` was named once for this site.
kind=single
[ ! -e /site/clustered.env ] || kind=cluster
exec nats-server --config "/etc/nats/$kind.conf"
