import os, logging
from detector import *
V=os.environ["VARIANT"]
if "nolog" in V: logging.getLogger("uvicorn.access").disabled=True; logging.getLogger("uvicorn.access").setLevel(100)
import learning_loop_node.detector.relevance.filter as f
if "nofilter" in V: f.RelevanceFilter.causes=lambda s,m,c: []
import learning_loop_node.detector.inference as i
if "prio0" in V: i.DECODER_NICENESS=0
if "dec1" in V: i.DECODER_COUNT=1
if "dec3" in V: i.DECODER_COUNT=3
if "switch" in V: import sys; sys.setswitchinterval(0.0005)
if "empty" in V:
    NoOp.evaluate=lambda s,im: ImageMetadata()
if "direct" in V:
    pass
