# This program with its web page: docker build -t caption-search .
#
# Two stages, so that neither pip's cache nor a compiler is in what runs.
FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH"

# Torch first and alone: it is nearly all of the size and changes least. The ordinary build carries CUDA's libraries
# (2 GB); --build-arg TORCH_INDEX=URL takes another, such as PyTorch's own index of CPU builds (0.2 GB; its "Get
# started" page names it).
ARG TORCH_INDEX=
# hadolint ignore=DL3013
RUN pip install "torch>=2.6" "torchvision>=0.21" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}

WORKDIR /src
COPY setup.cfg pyproject.toml setup.py README.md LICENSE ./
COPY captioner captioner
COPY indexer indexer
COPY search search
COPY es_mappings es_mappings
# hadolint ignore=DL3013
RUN pip install ".[web,heic]"


FROM python:3.13-slim

RUN useradd --system --uid 10001 --create-home --home-dir /home/captions captions
COPY --from=build /opt/venv /opt/venv
COPY docker/entrypoint.sh docker/sample.jsonl /opt/
ENV PATH="/opt/venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/captions
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=12 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["/opt/entrypoint.sh"]
CMD ["serve"]
