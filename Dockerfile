# syntax=docker/dockerfile:1
# The service without PyTorch: what `pip install aisle` brings, at the versions of requirements.lock. docs/deployment.md
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# first what seldom changes, so that a change of the code installs no package again
COPY requirements.lock /tmp/requirements.lock
RUN sed -e '/^ *--hash/d' -e 's/ *\\$//' /tmp/requirements.lock > /tmp/constraints.txt \
    && python -m venv /opt/aisle
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY aisle ./aisle
RUN /opt/aisle/bin/pip install --constraint /tmp/constraints.txt '.[oidc]' \
    && find /opt/aisle -name '__pycache__' -prune -exec rm -rf {} +

FROM python:3.11-slim-bookworm
# libgomp: LightGBM's threads
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 aisle \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin aisle \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/aisle /opt/aisle
# everything that is written goes to /data and /tmp: the rest of the file system may be read-only
ENV PATH=/opt/aisle/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    TMPDIR=/tmp
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health/live', timeout=4)"]
ENTRYPOINT ["aisle", "serve"]
CMD ["/data/shop", "--host", "0.0.0.0", "--port", "8080"]
