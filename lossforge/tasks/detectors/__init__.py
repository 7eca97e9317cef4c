"""Detectors behind one contract: network, slots, read, decode."""
