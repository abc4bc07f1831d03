"""Detectors as users wrote them for releases of the predecessor; they run with these and, unchanged, with ours."""
