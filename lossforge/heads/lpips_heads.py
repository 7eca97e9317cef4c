"""The trained heads of LPIPS, read from the package `lpips` without PyTorch."""

from __future__ import annotations

import collections
import importlib.util
import pathlib
import pickle
from typing import Any, BinaryIO

import numpy as np

from lossforge.errors import RecipeError

HELP = "LPIPS with heads='lpips' needs the package lpips: pip install --no-deps lpips"


def trained_heads() -> list[np.ndarray]:
    """(C,) weights >= 0 of the five layers of VGG16, version 0.1 of the authors.

    The layers are block1_conv2, block2_conv2, block3_conv3, block4_conv3 and block5_conv3, after
    the activation.

    Source: Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric; the weights are in the authors' package (BSD-2-Clause).

    Raises:
        RecipeError: when the package is missing.
    """
    package = importlib.util.find_spec("lpips")  # found, not imported: it imports PyTorch
    if package is None or package.origin is None:
        raise RecipeError(HELP)
    path = pathlib.Path(package.origin).parent / "weights" / "v0.1" / "vgg.pth"
    with path.open("rb") as file:
        weights = read_legacy_torch(file)
    return [weights[f"lin{index}.model.1.weight"].reshape(-1) for index in range(5)]


def read_legacy_torch(file: BinaryIO) -> dict[str, np.ndarray]:
    """The float32 tensors of a file that PyTorch wrote before version 1.6.

    Such a file is a sequence of pickles (a magic number, a version, the machine, the tensors, the
    names of their storages), followed by the numbers of each storage. Nothing but tensors is
    built: any other class in the file raises an UnpicklingError.
    """
    for _ in range(3):
        _TensorReader(file).load()
    tensors = _TensorReader(file).load()
    storages = {}
    for name in _TensorReader(file).load():
        size = int.from_bytes(file.read(8), "little")
        storages[name] = np.frombuffer(file.read(4 * size), "<f4")
    return {name: tensor.of(storages) for name, tensor in tensors.items()}


class _Tensor(collections.namedtuple("_Tensor", ["storage", "offset", "shape", "strides"])):
    """A view of a storage that is read later."""

    def of(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        strides = [4 * stride for stride in self.strides]
        numbers = storages[self.storage][self.offset :]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides).copy()


class _TensorReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda *a: _Tensor(*a[:4]),
            ("torch", "FloatStorage"): "float32",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no tensor of float32.")
        return known[module, name]

    def persistent_load(self, pid: Any) -> str:
        return pid[2]  # ("storage", type, name, device, size, view)
