#!/usr/bin/env bash
# Prepares libtorch for `automl-torch`: scripts/fetch-libtorch.sh [DEST]
#
# DEST defaults to third_party/libtorch, where .cargo/config.toml looks. A second run finds the work
# done and returns at once. Nothing is installed, and no code of torch is run: pip only downloads
# the wheels pinned in libtorch-requirements.txt and checks their hashes.
#
# PyPI carries x86-64 torch only as a CUDA build. A CPU machine needs little of it: libtorch_cpu.so
# and what that links to, among it libcudart and libcupti, which work without a GPU. They come from
# NVIDIA's own wheels, under NVIDIA's licence, which is kept beside them. A CUDA machine can use the
# program built on this, with libtorch_cuda.so of a complete torch of the same version.
#
# Download 545 MB, 1.2 GB while unpacking, 500 MB afterwards. PYTHON names another python3.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/libtorch-requirements.txt
version=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$requirements")
dest=${1:-$(dirname "$here")/third_party/libtorch}
python=${PYTHON:-python3}
needed_kib=1250000
staging=

say() { printf '%s\n' "$*"; }
fail() { # the problem, then lines of advice
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# = 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}
cleanup() { [ -z "$staging" ] || rm -rf "$staging"; }
trap cleanup EXIT

# build-version is written last, so a folder that has it is complete.
is_complete() {
  [ -f "$dest/lib/libtorch_cpu.so" ] && [ "$(cat "$dest/build-version" 2>/dev/null)" = "$version" ]
}

user_has_another() {
  if [ "${LIBTORCH_USE_PYTORCH:-}" = 1 ]; then
    say "LIBTORCH_USE_PYTORCH=1: the build takes libtorch from Python's torch; nothing to do"
  elif [ -n "${LIBTORCH:-}" ] && [ -f "$LIBTORCH/lib/libtorch_cpu.so" ]; then
    say "LIBTORCH=$LIBTORCH: the build takes libtorch from there; nothing to do"
  else
    return 1
  fi
}

check_machine() {
  local kind
  kind="$(uname -s) $(uname -m)"
  [ "$kind" = "Linux x86_64" ] || fail "this is $kind; the pinned wheels are for Linux x86_64" \
    "unpack libtorch $version for this machine and set LIBTORCH to its folder," \
    "or install torch $version in Python and set LIBTORCH_USE_PYTORCH=1"
  command -v "$python" >/dev/null || fail "no $python on this machine" \
    "install Python 3 (Debian: python3 and python3-venv), or set PYTHON to one"
}

# Refuses to replace a folder that this script has not made.
check_dest() {
  [ ! -e "$dest" ] || [ -f "$dest/build-version" ] || [ -z "$(ls -A "$dest" 2>&1)" ] ||
    fail "$dest exists and is no libtorch folder (no build-version in it)" \
      "remove it, or name another folder"
}

check_disk() {
  local free_kib
  free_kib=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
  [ "$free_kib" -ge "$needed_kib" ] || fail \
    "$1 has $((free_kib / 1024)) MiB free, $((needed_kib / 1024)) MiB are needed while unpacking" \
    "free some space, or name a folder on another disk"
}

# Makes sure that "$python" has pip, in a throw-away environment where it has none.
find_pip() {
  "$python" -m pip --version >/dev/null 2>&1 && return
  say "$python has no pip: making a temporary environment"
  "$python" -m venv "$staging/venv" >/dev/null 2>&1 || fail \
    "$python has neither pip nor a working venv" \
    "install one of them (Debian: python3-pip or python3-venv)"
  python=$staging/venv/bin/python
}

download() {
  say "downloading libtorch $version (545 MB)"
  mkdir "$staging/tmp" "$staging/wheels"
  # pip keeps a second copy in TMPDIR while it works; here it counts against the disk checked above.
  TMPDIR=$staging/tmp "$python" -m pip download --quiet --disable-pip-version-check \
    --no-cache-dir --no-deps --only-binary=:all: --require-hashes --requirement "$requirements" \
    --implementation cp --python-version 3.12 --abi cp312 --abi none \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --dest "$staging/wheels" ||
    fail "pip could not download the wheels of $requirements (its reason is above)" \
      "check the network, proxy and package index," \
      "or set LIBTORCH to the folder of an unpacked libtorch $version"
  rm -rf "$staging/tmp"
}

unpack() {
  say "unpacking"
  "$python" - "$staging/wheels" "$staging/libtorch" <<'PYTHON' || fail "the wheels could not be unpacked"
import shutil
import sys
import zipfile
from pathlib import Path, PurePosixPath

LIBRARIES = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}
LICENCES = {"license", "license.txt", "notice"}


def target(wheel, member):
    """Where a member of a wheel goes below the libtorch folder; None when it is not needed."""
    path = PurePosixPath(member)
    if path.parts[:2] == ("torch", "include"):
        return Path(*path.parts[1:])
    if path.name in LIBRARIES and path.parent.name == "lib":
        return Path("lib", path.name)
    if ".dist-info" in path.parts[0] and path.name.lower() in LICENCES:
        return Path("licenses", f"{wheel.name.split('-')[0]}-{path.name}")
    return None


wheels, out = map(Path, sys.argv[1:])
for wheel in sorted(wheels.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            place = target(wheel, member)
            if place is None or member.endswith("/"):
                continue
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(out / place, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
missing = LIBRARIES - {path.name for path in (out / "lib").iterdir()}
if missing:
    sys.exit(f"error: the wheels lack {', '.join(sorted(missing))}")
PYTHON
  # The wheel's libtorch.so is an empty library that asks for libtorch_cuda.so. This linker script
  # takes its place when `-ltorch` is resolved.
  say 'INPUT(libtorch_cpu.so libc10.so)' >"$staging/libtorch/lib/libtorch.so"
  say "$version" >"$staging/libtorch/build-version"
}

# The finished folder takes its place by one rename; an older one steps aside just before.
install_folder() {
  if is_complete; then return; fi # another run was faster
  if [ -e "$dest" ]; then mv -T "$dest" "$staging/old"; fi
  mv -T "$staging/libtorch" "$dest" || fail "could not move libtorch to $dest"
}

# An exported LIBTORCH wins over .cargo/config.toml, also when it leads nowhere.
warn_of_stray_variable() {
  if [ -n "${LIBTORCH:-}" ] && [ "$(realpath -m "$LIBTORCH")" != "$(realpath -m "$dest")" ]; then
    say "warning: LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so, but the build looks there: unset it" >&2
  fi
}

main() {
  if user_has_another; then return; fi
  warn_of_stray_variable
  if is_complete; then
    say "libtorch $version is already in $dest"
    return
  fi
  check_machine
  check_dest
  local parent
  parent=$(dirname "$dest")
  mkdir -p "$parent" || fail "cannot make the folder $parent"
  check_disk "$parent"
  staging=$(mktemp -d "$parent/.libtorch.XXXXXX") # beside DEST: a rename works on one disk only
  find_pip
  download
  unpack
  install_folder
  say "libtorch $version (CPU part) is in $dest"
}

main
