"""Training of encoders; reads shards from disk, never rasters or tables."""
