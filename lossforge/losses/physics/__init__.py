"""Losses of residuals and constraints."""
