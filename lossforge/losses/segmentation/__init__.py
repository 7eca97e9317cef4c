"""Losses of masks: overlap, boundary, topology."""
