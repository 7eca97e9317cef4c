"""Task metrics that Keras lacks. A search is scored by one of these, never by a loss."""
