#!/bin/sh
# What the tests of the HTML report need beside Python: a Chromium, and axe-core, which looks for what shuts people out.
#
#   browser.sh
#
# Does nothing where both are there. Without Chromium, or without the right to install it, those tests are skipped, so
# that this never fails; it says what is missing.
set -u
cd "$(dirname "$0")/.."
axe=.venv/axe

if ! command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing chromium, for the tests of the HTML report" >&2
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 ||
            echo "chromium could not be installed: the tests of the HTML report in a browser are skipped" >&2
    else
        echo "there is no chromium, and only root can install it (on Debian: apt install chromium):" \
            "the tests of the HTML report in a browser are skipped" >&2
    fi
fi
if [ ! -f "$axe/axe_playwright_python/axe.min.js" ]; then
    # of this package only the file axe.min.js is wanted, so nothing that it depends on is installed
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$axe" \
        'axe-playwright-python==0.1.8' ||
        echo "axe-core could not be fetched: the tests that need it are skipped" >&2
fi
exit 0
