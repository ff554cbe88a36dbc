#!/bin/sh
# Makes a virtual environment from the first Python on PATH that is new enough, and prints why when it can't.
# usage: scripts/venv.sh FOLDER [PYTHON]
set -eu

folder=$1
wanted=${2:-}
minimum="3.11"

new_enough() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Clearing would empty what the link points to, which other checkouts may use.
if [ -L "$folder" ]; then
    {
        echo "$folder is a link: making it anew would empty the environment that it points to."
        echo "Remove the link to get an environment of this checkout's own: rm $folder"
    } >&2
    exit 1
fi

has() { "$1" -c "import $2" >/dev/null 2>&1; }

find_python() {
    for candidate in ${wanted:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    {
        echo "nngraph needs Python $minimum or newer, and ${wanted:-python3} on PATH is not that."
        echo "Found: $(${wanted:-python3} --version 2>&1 || true)"
        echo "Install a newer Python, or name one: make demo PYTHON=/path/to/python3.12"
    } >&2
    return 1
}

python=$(find_python)
echo "Making $folder with $("$python" --version) ($python)"
if has "$python" ensurepip; then
    "$python" -m venv --clear "$folder"
elif has "$python" pip; then
    # Debian and Ubuntu leave ensurepip out of their Python; its pip can install into the folder.
    "$python" -m venv --clear --without-pip "$folder"
    "$python" -m pip --python "$folder/bin/python" install --quiet pip
else
    {
        echo "$python has neither ensurepip nor pip, so nothing can be installed with it."
        echo "On Debian and Ubuntu: apt-get install python3-venv. Elsewhere: install pip for this Python."
    } >&2
    exit 1
fi
