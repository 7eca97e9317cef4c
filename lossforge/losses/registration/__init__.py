"""Losses between images that are to be aligned."""
