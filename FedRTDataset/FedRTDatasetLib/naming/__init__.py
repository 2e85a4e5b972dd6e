"""ROI names as hospitals write them to TG-263 names."""
