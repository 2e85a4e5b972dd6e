"""De-identified copies of images and radiotherapy objects, in one pass that keeps them belonging together (DICOM
PS3.15 Annex E)."""
