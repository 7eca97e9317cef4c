# lossforge with everything that trains, searches and exports.
#
#     docker build -t lossforge .                                                          (CPU)
#     docker build -t lossforge:gpu --build-arg EXTRA=cuda .                               (NVIDIA GPU)
#     docker build -t lossforge:gpu --build-arg BASE=tensorflow/tensorflow:2.20.0-gpu .    (the same)
#     docker run --rm -v "$PWD:/project" lossforge lossforge train recipes/retinanet.py
#     docker run --rm --gpus all -v "$PWD:/project" lossforge:gpu lossforge doctor
#
# CUDA comes with TensorFlow's own packages, so that CPU and GPU can be built on the same base; BASE
# may name any image of Debian's family that has Python 3.10 or newer.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

ARG EXTRA=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_BREAK_SYSTEM_PACKAGES=1 PYTHONUNBUFFERED=1 LOSSFORGE_DATA=/data
WORKDIR /src
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY lossforge lossforge
COPY recipes recipes
COPY search_spaces search_spaces
RUN pip install ".[onnx,litert,openvino,postgresql]" \
    && if [ "$EXTRA" = cuda ]; then pip install "tensorflow[and-cuda]"; fi

RUN useradd --create-home forge && mkdir -p /data /project && chown forge /data /project
USER forge
WORKDIR /project
VOLUME /data
EXPOSE 6006
CMD ["lossforge", "--help"]
