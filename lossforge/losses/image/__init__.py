"""Losses of images: pixels, structure, features, style."""
