"""The graph as `mlorch.graph/1`."""

from __future__ import annotations

from typing import Any, Dict

from mlorch.report.graph.view import GraphView


def graph_document(view: GraphView) -> Dict[str, Any]:
    return {
        "schema": "mlorch.graph/1",
        "name": view.name,
        "nodes": [
            {
                "id": node.id,
                "label": node.label,
                "count": node.count,
                "state": node.state or None,
                "states": {state or "unknown": count for state, count in node.states},
                "group": node.group or None,
                "seconds": node.seconds,
            }
            for node in view.nodes
        ],
        "edges": [{"from": source, "to": target} for source, target in view.edges],
    }
