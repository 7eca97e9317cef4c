"""Retrieval metrics at the size of a real gallery: 100,000 queries in 100,000 references.

python tools/bench/retrieval.py
python tools/bench/retrieval.py --queries 20000 --references 20000

Prints the time, and the most memory that the process ever held, which must stay below 2 GB.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from lossforge.metrics.retrieval import retrieval_metrics

LIMIT = 2e9  # bytes


def drawn(
    count: int, centres: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, len(centres), count)
    noise = rng.standard_normal((count, centres.shape[1]), dtype="float32")
    return noise + 0.5 * centres[labels], labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--references", type=int, default=100_000)
    parser.add_argument("--identities", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=128)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((asked.identities, asked.dimension), dtype="float32")
    queries = drawn(asked.queries, centres, rng)
    references = drawn(asked.references, centres, rng)
    start = time.perf_counter()
    found = retrieval_metrics(*queries, *references)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    print(
        f"{asked.queries:,} x {asked.references:,} at {asked.dimension} dimensions: "
        f"{seconds:.0f} s, {peak / 1e9:.2f} GB"
    )
    print("  ".join(f"{name} {value:.4f}" for name, value in found.items()))
    if peak > LIMIT:
        raise SystemExit(f"That is more than {LIMIT / 1e9:.0f} GB.")


if __name__ == "__main__":
    main()
