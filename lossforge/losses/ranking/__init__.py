"""Losses of lists, pairs and preferences."""
