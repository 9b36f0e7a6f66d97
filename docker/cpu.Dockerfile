# edgeattr on a CPU, for x86-64 and aarch64. From the project's folder:
#   docker build --file docker/cpu.Dockerfile --tag edgeattr .
#   docker build --file docker/cpu.Dockerfile --build-arg EXTRAS=mqtt,metrics,web --tag edgeattr .
ARG PYTHON_VERSION=3.12

FROM docker.io/library/python:${PYTHON_VERSION}-slim-bookworm AS build
ARG EXTRAS=mqtt,metrics
ARG VERSION=0.1.0
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY edgeattr edgeattr
COPY runtimes runtimes
COPY convert convert
COPY train train
# Without windows, OpenCV wants no library of the system; the tracker brings the one with windows.
RUN python -m venv /opt/edgeattr \
    && /opt/edgeattr/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && /opt/edgeattr/bin/pip uninstall --yes opencv-python \
    && /opt/edgeattr/bin/pip install --no-cache-dir --constraint constraints.txt opencv-python-headless

FROM docker.io/library/python:${PYTHON_VERSION}-slim-bookworm
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="edgeattr" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/edgeattr /opt/edgeattr
ENV PATH=/opt/edgeattr/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EDGEATTR_HOME=/var/lib/edgeattr/cache
RUN test "$(edgeattr --version)" = "edgeattr ${VERSION}" \
    && useradd --system --uid 10001 --home-dir /var/lib/edgeattr --create-home edgeattr
USER edgeattr
WORKDIR /var/lib/edgeattr
VOLUME /var/lib/edgeattr
EXPOSE 9464
# Asks what `[metrics] port = 9464` of the site's file serves; 503 counts as unhealthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/health', timeout=4)"]
ENTRYPOINT ["edgeattr"]
CMD ["run", "--config", "/etc/edgeattr/site.toml", "--log-format", "json"]
