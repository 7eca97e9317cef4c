"""A SavedModel that a person would deploy: embed, verify, and search a gallery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from lossforge.metrics.verification import Rate

Entry = tuple[Callable[[Any], Any], Any]


def export_embedder(path: str | Path, embedder: keras.Model, rate: Rate | None) -> None:
    """Writes a SavedModel with the endpoints below. TensorFlow's backend only.

        serve(images)           embedding (B, D), unit vectors
        verify(first, second)   similarity (B,), cosines; same (B,) bool: at least the threshold;
                                threshold, far and tar as measured, (). Only with a `rate`
        enroll(images, ids)     adds images with int64 ids to the gallery; count () in it
        search(images, k)       ids and similarity (B, k) of the nearest in the gallery, best first
        clear()                 empties the gallery; count () is 0

    Images are (B, S, S, C) float32 in 0..255. The gallery is kept by the loaded model and is empty
    after loading. A search for more than the gallery holds gives what it holds.
    """
    import tensorflow as tf

    image = embedder.input_shape[1:]

    def images(name: str) -> tf.TensorSpec:
        return tf.TensorSpec((None, *image), tf.float32, name=name)

    def embed(x: Any) -> Any:
        return embedder(x, training=False)["embedding"]

    archive = keras.export.ExportArchive()
    archive.track(embedder)
    archive.add_endpoint(
        "serve", lambda images: {"embedding": embed(images)}, input_signature=[images("images")]
    )
    if rate is not None:
        constants = {"threshold": rate.threshold, "far": rate.far, "tar": rate.tar}

        def verify(first: Any, second: Any) -> dict[str, Any]:
            similarity = tf.reduce_sum(embed(first) * embed(second), axis=-1)
            known = {name: tf.constant(value, tf.float32) for name, value in constants.items()}
            return {"similarity": similarity, "same": similarity >= known["threshold"], **known}

        signature = [images("first"), images("second")]
        archive.add_endpoint("verify", verify, input_signature=signature)

    dimension = embedder.output["embedding"].shape[-1]
    add_gallery(archive, dimension, (embed, images("images")), (embed, images("images")))
    archive.write_out(str(path), verbose=False)


def add_gallery(
    archive: keras.export.ExportArchive, dimension: int, enrolled: Entry, asked: Entry
) -> None:
    """Adds `enroll`, `search` and `clear` to an archive.

    Args:
        archive: before it is written.
        dimension: of the embeddings.
        enrolled: how what is kept is embedded: a function to unit vectors (B, D), and the
            signature of what it takes, whose name is that of the endpoint's first argument.
        asked: likewise, of what is searched with.
    """
    import tensorflow as tf

    gallery = _Gallery(dimension)
    archive.track(gallery)
    ids, k = tf.TensorSpec((None,), tf.int64, name="ids"), tf.TensorSpec((), tf.int32, name="k")
    archive.add_endpoint(
        "enroll",
        lambda what, ids: {"count": gallery.add(enrolled[0](what), ids)},
        input_signature=[enrolled[1], ids],
    )
    archive.add_endpoint(
        "search",
        lambda what, k: gallery.nearest(asked[0](what), k),
        input_signature=[asked[1], k],
    )
    archive.add_endpoint("clear", lambda: {"count": gallery.clear()}, input_signature=[])


def _Gallery(dimension: int) -> Any:  # noqa: N802 - a class that needs TensorFlow to exist
    import tensorflow as tf

    class Gallery(tf.Module):
        """Embeddings with ids, in variables that grow."""

        def __init__(self) -> None:
            super().__init__(name="gallery")
            unknown = tf.TensorShape([None, dimension])
            self.embeddings = tf.Variable(tf.zeros((0, dimension)), shape=unknown, trainable=False)
            self.ids = tf.Variable(tf.zeros((0,), tf.int64), shape=[None], trainable=False)

        def add(self, embeddings: Any, ids: Any) -> Any:
            tf.debugging.assert_equal(
                tf.shape(embeddings)[0], tf.shape(ids)[0], "enroll: one id for each image"
            )
            self.embeddings.assign(tf.concat([self.embeddings, embeddings], axis=0))
            self.ids.assign(tf.concat([self.ids, ids], axis=0))
            return tf.shape(self.ids)[0]

        def nearest(self, queries: Any, k: Any) -> dict[str, Any]:
            similar = tf.matmul(queries, self.embeddings, transpose_b=True)
            found = tf.math.top_k(similar, tf.minimum(k, tf.shape(similar)[1]))
            return {"ids": tf.gather(self.ids, found.indices), "similarity": found.values}

        def clear(self) -> Any:
            self.embeddings.assign(self.embeddings[:0])
            self.ids.assign(self.ids[:0])
            return tf.shape(self.ids)[0]

    return Gallery()
