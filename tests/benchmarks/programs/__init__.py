"""What the bench runs as processes of their own. `detector.py` and `relevance.py` run under 0.27, too."""
