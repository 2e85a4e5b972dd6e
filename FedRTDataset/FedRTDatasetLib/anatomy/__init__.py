"""Are structures where, and as large as, anatomy allows."""
