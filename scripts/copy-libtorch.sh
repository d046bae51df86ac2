#!/usr/bin/env bash
# Copies the libtorch libraries that the trainer needs at run time into a folder.
#   scripts/copy-libtorch.sh DEST
set -euo pipefail
dest=${1:?usage: scripts/copy-libtorch.sh DEST}
root=$(cd "$(dirname "$0")/.." && pwd)
if [ "${LIBTORCH_USE_PYTORCH:-}" = 1 ]; then
  lib=$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0] + "/lib")')
else
  lib=${LIBTORCH:-$root/third_party/libtorch}/lib
fi
mkdir -p "$dest"
for name in libtorch_cpu.so libc10.so libgomp libcudart libcupti; do
  for file in "$lib/$name"*; do
    if [ -e "$file" ]; then cp -u "$file" "$dest/"; fi
  done
done
