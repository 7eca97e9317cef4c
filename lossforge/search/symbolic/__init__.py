"""A search over the form of a loss: formulas, filters, populations."""
