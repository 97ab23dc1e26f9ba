"""Questions that are tests: subjects, candidates, processes, and the words of chance."""
