"""Tiles with facts and captions; never imports torch."""
