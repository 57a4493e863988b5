# The operator's image. The context is the checkout; `make images` builds it, and so do
#   docker build --tag hedgegrid-operator:0.1.0 .
#   buildah bud --layers --tag hedgegrid-operator:0.1.0 .
# docs/images.md says what a release adds: the digest of the base image, version, revision, file times.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# The secret is for a package index behind a company's own certificate authority; without it nothing changes.
COPY requirements/uv.txt ./
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m pip install --quiet --require-hashes --requirement uv.txt
COPY requirements/operator.txt ./
RUN --mount=type=secret,id=ca --mount=type=cache,target=/var/cache/uv \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi; \
    uv venv --quiet --python /usr/local/bin/python3.13 /app/venv \
    && uv pip sync --quiet --python /app/venv/bin/python --require-hashes --no-build operator.txt \
    && find /app/venv -type d -name tests -prune -exec rm -rf {} +
COPY images/precompile.py ./
COPY images/sitecustomize.py LICENSE /app/lib/
COPY crds/hedgegrid_api /app/lib/hedgegrid_api
COPY operator/hedgegrid_operator /app/lib/hedgegrid_operator
# The Kubernetes client is 75 MB of classes for every kind, loaded one by one when asked for; we ask for none.
RUN PYTHONDONTWRITEBYTECODE='' PYTHONHASHSEED=0 PYTHONPATH=/app/lib PYTHONPYCACHEPREFIX=/app/pyc \
    /app/venv/bin/python precompile.py hedgegrid_api hedgegrid_operator \
        --lean kubernetes.client --lean kubernetes.aio.client \
    && chmod -R u=rwX,go=rX /app
ARG SOURCE_DATE_EPOCH=0
RUN find /app -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${PYTHON_IMAGE}
# USER is for whoever asks who runs this: an arbitrary uid has no line in /etc/passwd.
ENV PATH=/app/venv/bin:$PATH PYTHONPATH=/app/lib PYTHONPYCACHEPREFIX=/app/pyc PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 USER=hedgegrid HOME=/tmp
# Nothing is installed in a running container.
RUN python3 -m pip uninstall --quiet --yes --root-user-action=ignore pip \
    && rm -rf /usr/local/lib/python3.13/ensurepip /usr/lib/python3.13/ensurepip /usr/share/python-wheels
COPY --from=build /app/venv /app/venv
COPY --from=build /app/lib /app/lib
COPY --from=build /app/pyc /app/pyc
WORKDIR /tmp
USER 10001:10001
EXPOSE 8081
ENTRYPOINT ["python", "-m", "hedgegrid_operator"]
ARG PYTHON_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="HedgeGrid Operator" \
      org.opencontainers.image.description="Kubernetes operator for hedge-mode grid strategies on perpetuals" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
