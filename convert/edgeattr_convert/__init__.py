"""Conversion: from a trained checkpoint to a bundle, and from one precision to another."""
