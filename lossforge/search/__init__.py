"""Which loss is better: studies, trials, proof."""
