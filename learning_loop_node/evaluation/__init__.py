"""What predictions are worth, measured against what people say is there.

`evaluate` needs faster-coco-eval, and `plots` matplotlib: the extra `[evaluation]`.
"""
