"""Asking back: what a question lacks, and what the reply puts into it."""
