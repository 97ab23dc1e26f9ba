"""Build an index: `draw` tiles into `parts` on disk, then `assemble` the parts into the files of an index.

`retrieval.index.build_index` is the public door. Nothing is imported here: the processes that draw come
through this package and need no more than `draw` and `parts`.
"""
