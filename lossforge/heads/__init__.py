"""Layers that own what other libraries hide inside a loss."""
