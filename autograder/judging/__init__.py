"""The quiet core: exercise, observe, compare, diagnose, verdict, casebook.  No files, no processes, no Jupyter."""
