#!/bin/sh
# Make the virtual environment $1 hold exactly requirements/$2.txt; say in one sentence why not.
# Needs a Python of at least 3.11 with venv, and nothing of HOME.
set -eu
venv=$1 wanted=$2
here=$(dirname "$0")

fits() { "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] $2)" >/dev/null 2>&1; }

find_python() {
    for limit in "< (3, 14)" ""; do # the pins were tried up to 3.13; a newer one is better than none
        for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
            if [ -n "$name" ] && fits "$name" "$limit"; then
                echo "$name"
                return
            fi
        done
    done
}

if ! "$venv/bin/python" -c "import pip" >/dev/null 2>&1; then
    python=$(find_python)
    if [ -z "$python" ]; then
        echo "No Python of version 3.11 or newer was found: install one, or name it with PYTHON=/path/to/python3." >&2
        exit 1
    fi
    if ! "$python" -c "import venv, ensurepip" >/dev/null 2>&1; then
        echo "$python cannot make environments: install its venv package (on Debian: apt-get install python3-venv)." >&2
        exit 1
    fi
    if ! "$python" -m venv --clear "$venv"; then
        echo "The environment $venv could not be made: is this folder yours to write, or name another with VENV=." >&2
        exit 1
    fi
fi
echo "Installing requirements/$wanted.txt into $venv; this takes a minute the first time."
"$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --require-hashes \
    --requirement "$here/$wanted.txt"
