"""The self-hosted loop: keeps projects, images and models, and says which model detectors should run."""
