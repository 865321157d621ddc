"""Checks that objects compiled for one instruction set define no symbol that the linker could take for every processor.

usage: isa_symbols.py ISA OBJECT...     one line per offence; exit 0 when there is none, 1 otherwise
"""
import subprocess
import sys

MERGED = "WVu"  # weak functions, weak data, unique globals: one definition of several survives


def offences(isa: str, objects: list[str]) -> list[str]:
    listing = subprocess.run(["nm", "--demangle", "--defined-only", *objects], check=True, capture_output=True, text=True)
    found = []
    for line in listing.stdout.splitlines():
        fields = line.split(maxsplit=2)
        if len(fields) == 3 and fields[1] in MERGED and f"::{isa}::" not in fields[2]:
            found.append(fields[2])
    return sorted(set(found))


def main() -> int:
    isa, *objects = sys.argv[1:]
    if not objects:
        print("no objects given")
        return 1
    found = offences(isa, objects)
    for name in found:
        print(f"{isa}: {name} may be linked for every processor; give it internal linkage (retention/kernels/simd/scalar.h)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
