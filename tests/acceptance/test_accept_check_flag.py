"""`plan --check`: what CI asks before it trusts what stands there."""

from __future__ import annotations

from kit import Project


def test_a_gate_that_does_not_hold_is_not_up_to_date(project: Project) -> None:
    project.pipeline(
        """
        params: {least: 0.9}
        steps:
          score:
            run: echo '{"auc":' 0.5 '}' > ${{ outputs.metrics }}
            outputs: {metrics: m.json}
            checks: ["${{ metrics.auc >= params.least }}"]
        """
    )
    project.cli("plan", "--check", code=5)
    project.run(code=1)
    project.cli("plan", "--check", code=1)
    project.cli("plan", "--check", "-p", "least=0.1", code=0)
