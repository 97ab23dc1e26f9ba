"""Pixels and words to vectors to scored tiles."""
