"""FedRT's reading room: a model and new images in, contours for people and planning systems out."""

from FedRTDatasetLib import __version__

__all__ = ["__version__"]
