#!/bin/sh
# Builds the image twice without a cache and compares the layers' digests. Called by
# `make image-twice`.
set -eu
build() {
  docker build --quiet --no-cache --build-arg PIP_NO_INDEX \
    ${CABRANK_PYTHON_IMAGE:+--build-arg "CABRANK_PYTHON_IMAGE=$CABRANK_PYTHON_IMAGE"} . |
    xargs docker image inspect --format '{{join .RootFS.Layers "\n"}}'
}
first=$(build)
second=$(build)
printf 'first\n%s\nsecond\n%s\n' "$first" "$second"
[ "$first" = "$second" ] && echo "The same layers."
