"""Arguments and options that several verbs share, each declared once."""

from __future__ import annotations

import typer

from mlorch.cli.complete import (
    complete_files,
    complete_params,
    complete_steps,
)

WORDS = typer.Argument(
    None,
    metavar="[PIPELINE] [SELECTOR]...",
    help="The pipeline, if it ends in .yaml or .yml, and which steps of it.",
    autocompletion=complete_steps,
    show_default=False,
)
PARAM = typer.Option(
    None, "-p", "--param", metavar="NAME=VALUE", help="Set a param (YAML).", autocompletion=complete_params
)
PARAMS_FILE = typer.Option(
    None,
    "--params-file",
    metavar="FILE",
    help="Params from a YAML or JSON file.",
    autocompletion=complete_files,
)
ONLY = typer.Option(False, "--only", help="The selected steps without their upstream.")
FORCE = typer.Option(False, "--force", help="Execute all selected steps and their upstream, cached or not.")
FORCE_STEP = typer.Option(
    None,
    "--force-step",
    metavar="SELECTOR",
    help="Execute these, cached or not.",
    autocompletion=complete_steps,
)
STEP_WORDS = typer.Argument(
    None,
    metavar="[PIPELINE] STEP",
    help="The step, or one instance of it.",
    autocompletion=complete_steps,
    show_default=False,
)
