"""Losses on real numbers."""
