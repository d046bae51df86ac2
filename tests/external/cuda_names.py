#!/usr/bin/env python3
"""Lets the usual Linux build of PyTorch load on a machine without the libraries for GPUs.

  cuda_names.py VENV     writes VENV/stubs/*.so; run with LD_LIBRARY_PATH=VENV/stubs

PyTorch's own libraries name those for GPUs among what they need, and look up hundreds of functions in them when they
are loaded. Nothing calls these on a machine without a GPU, so libraries that have the names and say "no device" are
enough for work on the CPU, and save gigabytes. For tests on Linux only. Needs gcc and readelf.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

NO_DEVICE = 100
GPU_LIBRARY = re.compile(r"^lib(cu|nv|nccl)")
GPU_FUNCTION = re.compile(r"^(cu[A-Z]|cuda|cupti|nccl|nvrtc|nvshmem|cufft|cublas|cusparse|cusolver|curand|cudnn|nvJit|cuFile)")


def readelf(option, library):
    return subprocess.run(["readelf", "-W", option, library], capture_output=True, text=True, check=False).stdout


def needed_of(library, own):
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", library))
    return {name for name in names if GPU_LIBRARY.match(name) and name not in own}


def versions_of(library, needed):
    """Returns the library that each version of a symbol belongs to."""
    found, file = {}, None
    for line in readelf("-V", library).splitlines():
        if match := re.search(r"File: (\S+)", line):
            file = match[1]
        elif file in needed and (match := re.search(r"Name: (\S+)", line)):
            found[match[1]] = file
    return found


def symbols_of(library):
    """Returns the names that a library has, and those with versions that it looks for elsewhere."""
    has, wants = set(), defaultdict(set)
    for line in readelf("--dyn-syms", library).splitlines():
        parts = line.split()
        if len(parts) < 8 or not parts[0].endswith(":"):
            continue
        name, _, version = parts[7].partition("@")
        if parts[6] == "UND":
            wants[name].add(version.lstrip("@"))
        else:
            has.add(name)
    return has, wants


def build(folder, library, by_version, plain):
    """Compiles a library that has the given names."""
    names = sorted(set(plain).union(*by_version.values()) if by_version else set(plain))
    # Registration returns a handle, everything else an error.
    code = "".join(
        f"long {name}(void){{return {0 if name.startswith('__cuda') else NO_DEVICE};}}\n" for name in names
    )
    source, script = folder / "names.c", folder / "names.map"
    source.write_text(code)
    script.write_text(
        "".join(f"{v} {{ global: {' '.join(n + ';' for n in sorted(ns))} }};\n" for v, ns in by_version.items())
    )
    command = ["gcc", "-w", "-fno-builtin", "-shared", "-fPIC", "-o", folder / library, f"-Wl,-soname,{library}", source]
    if by_version:
        command.append(f"-Wl,--version-script={script}")
    subprocess.run(command, check=True)


def main():
    venv = Path(sys.argv[1])
    torch = next(venv.glob("lib/python3*/site-packages/torch"))
    libraries = [*torch.glob("lib/*.so*"), *torch.glob("_C*.so")]
    own = {library.name for library in libraries}
    needed, versions, has, wants = set(), {}, set(), defaultdict(set)
    for library in libraries:
        needed |= needed_of(library, own)
    for library in libraries:
        versions.update(versions_of(library, needed))
        own_names, wanted = symbols_of(library)
        has |= own_names
        for name, of in wanted.items():
            wants[name] |= of
    by_library, plain = defaultdict(lambda: defaultdict(set)), set()
    for name, of in wants.items():
        for version in of:
            if version in versions:
                by_library[versions[version]][version].add(name)
            elif not version and name not in has and GPU_FUNCTION.match(name):
                plain.add(name)
    folder = venv / "stubs"
    folder.mkdir(exist_ok=True)
    for i, library in enumerate(sorted(needed)):
        versioned = by_library[library]
        taken = set().union(*versioned.values()) if versioned else set()
        build(folder, library, versioned, plain - taken if i == 0 else set())
    print(f"{len(needed)} libraries with {len(wants)} names looked for")


if __name__ == "__main__":
    main()
