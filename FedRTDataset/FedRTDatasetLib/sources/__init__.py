"""Where DICOM comes from: folders, a Slicer DICOM database, a PACS (DIMSE) and DICOMweb.

addresses          a SOURCE as a person types it -> what kind of place it is
opening            `open_sources`: every kind of place -> one index
options            the command-line options of every command that takes SOURCE
slicer_database    ctkDICOM.sql -> files
errand             what is asked of a PACS or DICOMweb server for a selection, and in which order
remote             what both have in common, and how a series is fetched until it is complete
pacs               C-FIND, C-GET and C-MOVE
pacs_connection    associations, and why there is none
pacs_receiver      taking in objects; the storage SCP that C-MOVE needs (the only thing here that listens)
tls                encrypted DICOM connections
dicomweb           QIDO-RS and WADO-RS
multipart          the parts of a WADO-RS answer, and whether it came to its end
credentials        tokens and passwords, never from a command line
cache              what was received, on disk
"""
