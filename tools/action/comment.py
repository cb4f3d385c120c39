"""Compare a pull request's run with its base branch's, and say so in one comment, which later runs rewrite.

Reads RUN (the run's id), BASE (the commit of the base branch), NUMBER, TOKEN, FAIL_IF and what GitHub sets
(GITHUB_API_URL, GITHUB_REPOSITORY). Only the standard library: a runner has nothing else. Exit 1 where FAIL_IF holds;
a comment that can't be written is a warning.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

MARK = "<!-- mlorch: comparison with the base branch -->"


def mlorch(*words):
    """(exit code, stdout) of a command."""
    done = subprocess.run(["mlorch", *words], stdout=subprocess.PIPE, encoding="utf-8")
    return done.returncode, done.stdout


def baseline(run, commit):
    """The newest run of the base commit that succeeded, else the newest one before this that did; None without one."""
    _, text = mlorch("runs", "--json", "--limit", "1000")
    earlier = [
        item for item in json.loads(text)["runs"] if item["id"] != run and item["status"] == "succeeded"
    ]
    of_base = [item for item in earlier if commit and item["meta"].get("commit") == commit]
    found = of_base or earlier
    return found[0]["id"] if found else None


def body(base, run):
    """(exit code of --fail-if, Markdown)."""
    words = ["compare", base, run, "--format", "md"]
    fail_if = os.environ.get("FAIL_IF") or ""
    code, table = mlorch(*words, *(["--fail-if", fail_if] if fail_if else []))
    told = f"\n\n**It fails:** `{fail_if}` holds." if fail_if and code == 1 else ""
    return code, f"{MARK}\n### mlorch: run {run} beside {base} of the base branch\n\n{table}{told}\n"


def ask(method, path, document=None):
    """The answer of GitHub's API. Raises URLError."""
    request = urllib.request.Request(
        os.environ["GITHUB_API_URL"] + path,
        data=None if document is None else json.dumps(document).encode(),
        method=method,
        headers={
            "Authorization": "Bearer " + os.environ["TOKEN"],
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def comment(text):
    """Rewrite our comment of before, or add one."""
    issue = "/repos/{GITHUB_REPOSITORY}/issues".format(**os.environ)
    page = "{}/{}/comments?per_page=100".format(issue, os.environ["NUMBER"])
    ours = [item["id"] for item in ask("GET", page) if MARK in (item.get("body") or "")]
    if ours:
        ask("PATCH", f"{issue}/comments/{ours[0]}", {"body": text})
    else:
        ask("POST", "{}/{}/comments".format(issue, os.environ["NUMBER"]), {"body": text})


def main():
    run = os.environ["RUN"]
    base = baseline(run, os.environ.get("BASE"))
    if base is None:
        print("no run of the base branch is in the cache yet: nothing to compare with")
        return 0
    code, text = body(base, run)
    print(text)
    try:
        comment(text)
    except (urllib.error.URLError, OSError, ValueError) as error:
        # neither the address nor the token is told
        print(
            f"::warning::the comment could not be written: {type(error).__name__}: give `pull-requests: write`"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
