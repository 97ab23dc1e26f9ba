"""Limits in space and of values: what people write, and the `Region` that it means."""
