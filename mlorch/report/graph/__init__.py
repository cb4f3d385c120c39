"""Drawings of a pipeline's graph: lanes, Mermaid, DOT, SVG and a document, all from one small view."""

from __future__ import annotations

from mlorch.report.graph.ascii import draw as draw_ascii
from mlorch.report.graph.document import graph_document
from mlorch.report.graph.dot import draw as draw_dot
from mlorch.report.graph.mermaid import draw as draw_mermaid
from mlorch.report.graph.svg import draw as draw_svg
from mlorch.report.graph.view import GraphView, Node, view

__all__ = [
    "GraphView",
    "Node",
    "draw_ascii",
    "draw_dot",
    "draw_mermaid",
    "draw_svg",
    "graph_document",
    "view",
]
