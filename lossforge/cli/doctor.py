"""lossforge doctor: what the machine offers, and what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator

import click

from lossforge.cli import options

PACKAGES = ("tensorflow", "keras", "jax", "optuna", "tensorboard", "numpy", "keras-cv")
OPTIONAL = {
    "jax": ("KERAS_BACKEND=jax, and TPU", "jax"),
    "keras-hub": ("--set model=keras_hub:retinanet", "keras-hub"),
    "tf2onnx": ("export --format onnx", "onnx"),
    "onnxruntime": ("the check of an ONNX export", "onnx"),
    "ai-edge-litert": ("running a LiteRT export without TensorFlow", "litert"),
    "openvino": ("export --format openvino", "openvino"),
    "psycopg": ("search --storage postgresql://...", "postgresql"),
}


@click.command("doctor")
def command() -> None:
    """Tell what this machine offers for training and export, and what is missing.

    \b
    lossforge doctor
    KERAS_BACKEND=jax lossforge doctor
    """
    for title, lines in (("Software", software()), ("Missing, if you need it", missing())):
        click.echo(f"{title}:")
        for line in lines:
            click.echo(f"  {line}")
    with options.quiet_start():
        found = list(machine())
    click.echo("Machine:")
    for line in found:
        click.echo(f"  {line}")


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def software() -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield ", ".join(f"{p} {v}" for p in PACKAGES if (v := version(p)))


def missing() -> Iterator[str]:
    absent = [(p, *why) for p, why in OPTIONAL.items() if version(p) is None]
    for package, use, extra in absent:
        yield f"{package}: for {use}; pip install 'lossforge[{extra}]'"
    if not absent:
        yield "nothing"


def machine() -> Iterator[str]:
    """Devices of the backend in use, what precision fits them, memory, and room for data."""
    import shutil
    from pathlib import Path

    import keras

    from lossforge.training.precision import default_precision, devices

    yield f"Keras backend: {keras.backend.backend()}"
    yield f"CPU: {os.cpu_count()} cores, {memory():.0f} GB"
    accelerators = devices()
    yield "accelerators: " + (", ".join(accelerators) or "none; training runs on the CPU")
    if not accelerators and has_nvidia():
        yield "there is an NVIDIA driver, but no GPU is seen: pip install 'tensorflow[and-cuda]'"
    precision = default_precision()
    yield f"precision by default: {precision}"
    data = Path(os.environ.get("LOSSFORGE_DATA", Path.home() / ".cache" / "lossforge"))
    place = next(p for p in (data, *data.parents) if p.exists())
    free = shutil.disk_usage(place).free / 1e9
    writable = "" if os.access(place, os.W_OK) else ", NOT WRITABLE: set LOSSFORGE_DATA"
    yield f"data is kept in {data}: {free:.0f} GB free{writable}"


def memory() -> float:
    """Gigabytes of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def has_nvidia() -> bool:
    return os.path.exists("/proc/driver/nvidia/version")
