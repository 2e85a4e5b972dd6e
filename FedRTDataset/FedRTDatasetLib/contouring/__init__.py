"""Planar contours and RTSTRUCT to voxels and back, exactly."""
