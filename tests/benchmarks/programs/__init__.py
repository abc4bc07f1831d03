"""What the bench runs as processes of their own. `detector.py` and `outbox.py` run under 0.27, too."""
