"""What travels between the loop and its clients, as types that check what comes in and describe what goes out.

Coordinates are pixels from the top-left corner of the upright image; confidences lie between 0 and 1 where detectors
sent them.
"""
