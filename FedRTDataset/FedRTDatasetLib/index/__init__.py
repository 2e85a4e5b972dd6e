"""What lies in folders of DICOM: headers read once, kept in SQLite, linked."""
