"""Data: builders that work offline, and readers for the user's own."""
