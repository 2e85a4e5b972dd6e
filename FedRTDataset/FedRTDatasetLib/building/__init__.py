"""Sources to cases: which series make a case, what becomes of them, and the dataset they are written to."""
