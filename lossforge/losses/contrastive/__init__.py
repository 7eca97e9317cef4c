"""Losses of views: contrastive and self-supervised."""
