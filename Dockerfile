# syntax=docker/dockerfile:1
# The console is built by Node, the packages are checked by hash, and neither Node nor pip's leavings are in the last stage.

FROM node:22.12.0-slim AS console
WORKDIR /src/console
COPY console/package.json console/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY console/ ./
RUN npm run --silent build

FROM python:3.11.14-slim AS packages
RUN python -m venv /opt/dutyroom
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock /src/
RUN /opt/dutyroom/bin/pip install --require-hashes -r /src/requirements.lock
COPY . /src/
COPY --from=console /src/api/static /src/api/static
RUN /opt/dutyroom/bin/pip install --no-deps --no-build-isolation /src && cp /src/deploy/healthy.py /opt/dutyroom/

FROM python:3.11.14-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin dutyroom \
    && install -d -o 10001 -g 10001 -m 0700 /data \
    && install -d /site
COPY --from=packages /opt/dutyroom /opt/dutyroom
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["/opt/dutyroom/bin/python", "/opt/dutyroom/healthy.py"]
ENTRYPOINT ["/opt/dutyroom/bin/dutyroom"]
# Beyond loopback it starts only where somebody in front does TLS.
CMD ["serve", "/site", "--data=/data", "--host=0.0.0.0", "--port=8080", "--behind-proxy", "--json-log"]
