"""Pipelines that really run; each `.yaml` here has its code in the folder of the same name."""
