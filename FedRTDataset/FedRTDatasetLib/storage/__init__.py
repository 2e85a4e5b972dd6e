"""The dataset on disk: records, segmentations, corrected versions, exports."""
