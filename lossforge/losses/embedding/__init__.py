"""Losses of embeddings with class labels: pairs, triplets, ranking, margins."""
