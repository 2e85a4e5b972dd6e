"""Where DICOM comes from: folders, a Slicer DICOM database, a PACS (DIMSE) and DICOMweb.

addresses          a SOURCE as a person types it -> what kind of place it is
opening            `open_sources`: every kind of place -> one index
options            the command-line options of every command that takes SOURCE
selection          which patients, dates, modalities and structures are wanted
slicer_database    ctkDICOM.sql -> files
remote             what a PACS and a DICOMweb server have in common: what is asked for, in which order, until complete
pacs               C-FIND, C-GET and C-MOVE
pacs_receiver      the storage SCP that C-MOVE needs (the only thing here that listens)
dicomweb           QIDO-RS and WADO-RS
credentials        tokens and passwords, never from a command line
cache              what was received, on disk
"""
