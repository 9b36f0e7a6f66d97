# edgeattr on a Jetson with JetPack 6, with the TensorRT of the image. On the Jetson:
#   docker build --file docker/jetson.Dockerfile --tag edgeattr-jetson .
#   docker run --runtime nvidia --rm edgeattr-jetson doctor
# The release of the base must fit the device's: cat /etc/nv_tegra_release
ARG L4T_RELEASE=r36.4.0

FROM nvcr.io/nvidia/l4t-jetpack:${L4T_RELEASE} AS build
ARG EXTRAS=mqtt,metrics
ARG VERSION=0.1.0
ENV PATH=/usr/local/cuda/bin:$PATH CUDA_ROOT=/usr/local/cuda
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv python3-dev g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY edgeattr edgeattr
COPY runtimes runtimes
COPY convert convert
COPY train train
# Without the extra `tensorrt`: TensorRT's binding is the system's. PyCUDA is compiled here.
RUN python3 -m venv --system-site-packages /opt/edgeattr \
    && /opt/edgeattr/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" "onnx>=1.17" "pycuda>=2022.1" \
    && /opt/edgeattr/bin/pip uninstall --yes opencv-python \
    && /opt/edgeattr/bin/pip install --no-cache-dir --constraint constraints.txt opencv-python-headless

FROM nvcr.io/nvidia/l4t-jetpack:${L4T_RELEASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="edgeattr for Jetson" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/edgeattr /opt/edgeattr
ENV PATH=/opt/edgeattr/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EDGEATTR_HOME=/var/lib/edgeattr/cache
# TensorRT is looked for, not imported: its libraries come from the device when the container runs.
RUN test "$(edgeattr --version)" = "edgeattr ${VERSION}" \
    && python -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('tensorrt') is None)" \
    && useradd --system --uid 10001 --groups video --home-dir /var/lib/edgeattr --create-home edgeattr
USER edgeattr
WORKDIR /var/lib/edgeattr
VOLUME /var/lib/edgeattr
EXPOSE 9464
# The first start builds engines, for minutes.
HEALTHCHECK --interval=30s --timeout=5s --start-period=900s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/health', timeout=4)"]
ENTRYPOINT ["edgeattr"]
CMD ["run", "--config", "/etc/edgeattr/site.toml", "--log-format", "json"]
