"""A generated cohort of three hospitals as DICOM."""
