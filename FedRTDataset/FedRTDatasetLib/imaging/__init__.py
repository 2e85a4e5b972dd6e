"""Series as voxels in their true geometry, and what is done to them."""
