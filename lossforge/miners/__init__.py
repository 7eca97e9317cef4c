"""Which pairs, triplets or examples a loss should see."""
