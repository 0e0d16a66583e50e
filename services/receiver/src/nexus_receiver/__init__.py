"""The receiver: takes completions from algorithms and tells the scheduler that owns the run."""
