"""YOLO as Ultralytics knows it: a text file per image, and `data.yaml`; folders of classes for classification."""
