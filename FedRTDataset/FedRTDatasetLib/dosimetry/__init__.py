"""Dose: RTDOSE grids, which of them make up what a patient was planned to get, dose-volume histograms, plan values."""
