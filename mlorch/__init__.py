"""mlorch: declarative machine learning pipelines, run in parallel, every artifact kept by the digest of its content."""

__version__ = "0.1.0"
