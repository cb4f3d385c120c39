"""Handwritten digits: a grid of support vector machines, one axis of it found in the data."""
