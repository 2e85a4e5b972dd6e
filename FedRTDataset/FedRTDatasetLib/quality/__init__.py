"""Is a dataset whole, plausible and fit to train on: checks of each case and of the cohort, and a report to look at."""
