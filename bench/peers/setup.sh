#!/usr/bin/env bash
# Makes .deps/peers-venv, the Python that bench/peers needs, from requirements.txt. Safe to run again at any time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/.deps/peers-venv
stamp=$venv/setup.stamp

torch_index=https://download.pytorch.org/whl/cpu
# timm asks for torchvision, which it needs for data loading only: it comes without its dependencies.
timm=timm==1.0.31

say() { printf 'peers setup: %s\n' "$*"; }
die() { printf 'peers setup: %s\n' "$*" >&2; exit 1; }

usage() {
  cat <<END
usage: bench/peers/setup.sh
  installs bench/peers/requirements.txt and $timm into .deps/peers-venv (about 1.5 GB)
PYTHON=/path/to/python3 chooses the interpreter (3.11 to 3.14 with venv).
END
}

usable_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
    usable_python "$candidate" && { printf '%s\n' "$candidate"; return 0; }
  done
  return 1
}

current_stamp() { cat "$here/setup.sh" "$here/requirements.txt" | sha256sum; }

venv_complete() {
  "$venv/bin/python3" -c 'import numpy, onnx, onnxruntime, onnxscript, openvino, safetensors, torch' 2>/dev/null &&
    "$venv/bin/python3" -m pip show --quiet timm 2>/dev/null
}

pip_install() {
  # No retries first: an unreachable index must not delay a machine that has the wheels at hand.
  local pip=("$venv/bin/python3" -m pip install --disable-pip-version-check --extra-index-url "$torch_index")
  "${pip[@]}" --quiet --retries 0 --timeout 15 "$@" ||
    { say "trying once more"; "${pip[@]}" --retries 3 --timeout 60 "$@"; } ||
    die "pip could not install: $*; check the network and run bench/peers/setup.sh again"
}

if (($# > 0)); then
  usage
  [[ $1 == -h || $1 == --help ]] && exit 0
  exit 2
fi
mkdir -p "$root/.deps"
exec 8>"$root/.deps/peers-setup.lock"
flock 8
if [[ -r $stamp && $(<"$stamp") == "$(current_stamp)" ]]; then
  say "nothing to do"
  exit 0
fi
python=$(find_python) || die "no usable python3 (3.11 to 3.14 with venv); name one with PYTHON=/path/to/python3"
say "creating .deps/peers-venv with $("$python" --version)"
rm -rf "$venv"
"$python" -m venv "$venv"
pip_install --requirement "$here/requirements.txt"
pip_install --no-deps "$timm"
venv_complete || die "the installed packages do not import; remove .deps/peers-venv and run bench/peers/setup.sh again"
current_stamp >"$stamp"
say "done"
