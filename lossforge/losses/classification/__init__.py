"""Losses on class labels."""
