"""What differs between problems: how a network's outputs become what losses and metrics read."""
