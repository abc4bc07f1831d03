"""Ready-made detectors, one file per runtime, each importing its own library."""
