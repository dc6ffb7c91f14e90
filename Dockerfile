# The service as an image: `docker build -t pancreas-cds .`; it also reads scans, on the processor. Dockerfile.cuda is for
# GPUs. Run it read-only with:
#   docker run --read-only --tmpfs /tmp -v cds:/var/lib/cds -v ./cds.toml:/etc/cds/cds.toml:ro \
#     -e CDS_SETTINGS=/etc/cds/cds.toml -e CDS_LEDGER_KEY -p 8080:8080 pancreas-cds
ARG PYTHON=3.11.14-slim-trixie

FROM python:${PYTHON} AS build
ARG EXTRAS=postgres,celery,committee,imaging,report
WORKDIR /src
# no pip in the environment that ships: the one outside fills it
RUN python -m venv --without-pip /opt/cds
COPY pyproject.toml README.md openapi.yaml requirements.lock requirements-build.lock ./
# what is locked, by its hashes; what comes later finds it there and leaves it at that
RUN python -m pip --python /opt/cds/bin/python install --no-cache-dir --require-hashes --requirement requirements.lock
COPY cds cds
COPY hooks hooks
COPY models models
# what builds is locked as well, and stays outside of what ships
RUN python -m pip install --no-cache-dir --root-user-action=ignore --require-hashes --requirement requirements-build.lock \
    && python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
    && python -m pip --python /opt/cds/bin/python install --no-cache-dir "$(echo /wheel/*.whl)[${EXTRAS}]"

FROM python:${PYTHON}
RUN python -m pip uninstall --yes --root-user-action=ignore wheel setuptools pip \
    && groupadd --gid 10001 cds \
    && useradd --uid 10001 --gid cds --no-create-home --home-dir /var/lib/cds --shell /usr/sbin/nologin cds \
    && install -d -o cds -g cds -m 0750 /var/lib/cds
COPY --from=build /opt/cds /opt/cds
# ONNX Runtime reads its switch at the first import; its telemetry breaks forked workers and calls out of the hospital
ENV PATH=/opt/cds/bin:$PATH \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CDS_HOST=0.0.0.0 \
    CDS_PORT=8080 \
    CDS_DATA_DIR=/var/lib/cds
WORKDIR /var/lib/cds
# everything the service writes: the spool, counters and, without a database_url, the ledger
VOLUME /var/lib/cds
USER 10001:10001
EXPOSE 8080
# http.client: urllib would ask a proxy named in the environment
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['CDS_PORT']), timeout=3); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["cds"]
CMD ["serve"]
