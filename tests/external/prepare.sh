#!/bin/sh
# Puts the programs that the external tests run into .external/venv, once. About 2.5 GB: PyTorch comes without
# the libraries for GPUs, of which it only needs the names (cuda_names.py). PYTHON names a Python 3.12; without
# it one is looked for.
set -eu
cd "$(dirname "$0")/../.."
venv=.external/venv
done="$venv/.complete"
wanted=tests/external/requirements.txt
if cmp -s "$wanted" "$done"; then exit 0; fi

# A name on the PATH may be a shim that runs nothing, so each is asked for its version.
is_python_3_12() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3.12 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3 \
        "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/cpython-3.12*/bin/python3}; do
        if is_python_3_12 "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "error: ${PYTHON:-no Python on this machine} is ${PYTHON:+no }Python 3.12, the only one that DREEM runs with; PYTHON=/path/to/python3.12 names one" >&2
    return 3
}

python=$(find_python)
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --no-cache-dir uv
UV_CACHE_DIR="$PWD/.external/cache" "$venv/bin/uv" pip install --python "$venv/bin/python" \
    --override tests/external/without_cuda.txt --requirement "$wanted"
rm -rf .external/cache
"$venv/bin/python" tests/external/cuda_names.py "$venv"
cp "$wanted" "$done"
