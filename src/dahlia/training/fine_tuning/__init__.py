"""The backbone and the head trained together: runs of the folds, within a budget, resumable."""
