#!/usr/bin/env bash
# Installs what retentive needs: apt packages, and LibTorch and oneDNN in .deps/venv. Safe to run again at any time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$root/.deps
venv=$deps/venv
stamp=$deps/setup.stamp

torch_index=https://download.pytorch.org/whl/cpu
pip_packages=(torch==2.13.0+cpu onednn-devel-cpu-gomp==2023.2.0)
pip_cmake=cmake==3.31.6
# PACKAGE:COMMAND is present when the command is; a bare PACKAGE when dpkg has it.
apt_packages=(build-essential:make g++:g++ cmake:cmake ninja-build:ninja ccache:ccache git:git pkg-config:pkg-config
              ca-certificates zlib1g-dev libopencv-dev libpng-dev libtiff-dev libjpeg-dev libwebp-dev libgif-dev
              nlohmann-json3-dev catch2 libcli11-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev
              libavformat-dev libavcodec-dev libavutil-dev libswscale-dev)
dev_packages=(clang-format:clang-format clang-tidy:clang-tidy)

usage() {
  cat <<END
usage: scripts/setup.sh [--check] [--dev] [--no-apt]
  (no flag)  install what is missing: apt packages (through sudo unless root) and .deps/venv
  --check    only report what is missing; exit 0 when nothing is, 1 otherwise
  --dev      also clang-format and clang-tidy, for scripts/check.sh
  --no-apt   leave system packages alone (not a Debian or Ubuntu machine)
PYTHON=/path/to/python3 chooses the interpreter of .deps/venv (3.10 to 3.14).
END
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

present() {  # PACKAGE[:COMMAND]
  local package=${1%%:*} command=${1#*:} list
  if [[ $command != "$1" ]]; then
    command -v "$command" >/dev/null
    return
  fi
  for list in /var/lib/dpkg/info/"$package".list /var/lib/dpkg/info/"$package":*.list; do
    [[ -e $list ]] && return 0
  done
  return 1
}

missing_apt() {
  local package
  for package in "${wanted[@]}"; do
    present "$package" || printf '%s\n' "${package%%:*}"
  done
}

usable_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
    usable_python "$candidate" && { printf '%s\n' "$candidate"; return 0; }
  done
  return 1
}

old_cmake() {
  local version
  version=$(cmake --version 2>/dev/null | sed -n '1s/cmake version //p')
  [[ -z $version || $(printf '3.25\n%s\n' "$version" | sort -V | head -n 1) != 3.25 ]]
}

# Prints `absent NAME==VERSION` or `broken NAME==VERSION`: an interrupted pip leaves files short or missing.
venv_defects() {
  "$venv/bin/python3" - "$@" <<'END'
import importlib.metadata, os, sys

def intact(file):
    try:
        return file.size is None or os.stat(file.locate()).st_size == file.size
    except OSError:
        return file.suffix == ".pyc"

for wanted in sys.argv[1:]:
    name, _, version = wanted.partition("==")
    try:
        package = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        print("absent", wanted)
        continue
    if not package.files or not all(map(intact, package.files)):
        print("broken", wanted)
    elif package.version != version:
        print("absent", wanted)
END
}

venv_runs() { "$venv/bin/python3" -m pip --version >/dev/null 2>&1; }

current_stamp() {  # apt|no-apt
  printf '%s %s %s\n' "$(sha256sum <"$root/scripts/setup.sh")" "$(readlink -f "$venv/bin/python3")" "$1"
}

up_to_date() {
  [[ -r $stamp && -x $venv/bin/python3 ]] || return 1
  local recorded
  recorded=$(<"$stamp")
  [[ $recorded == "$(current_stamp "${recorded##* }")" ]] || return 1
  [[ ${recorded##* } == no-apt || -z $(missing_apt) ]]
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "not root and no sudo; as root, run: $*"
  fi
}

install_apt() {
  command -v apt-get >/dev/null ||
    die "no apt-get here; install the equivalents of [$*] by hand, then run scripts/setup.sh --no-apt"
  say "apt: installing $*"
  as_root apt-get update -q || say "apt: update failed; trying with the package lists at hand"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" ||
    die "apt-get install failed (above); run scripts/setup.sh again once that is solved"
}

install_venv() {
  local python defects packages=("${pip_packages[@]}")
  old_cmake && packages+=("$pip_cmake")
  if [[ -e $venv ]] && { ! venv_runs || venv_defects "${packages[@]}" | grep -q '^broken'; }; then
    say "venv: .deps/venv is incomplete; making it anew"
    rm -rf "$venv"
  fi
  if [[ ! -e $venv ]]; then
    python=$(find_python) || die "no usable python3 (3.10 to 3.14 with venv); name one with PYTHON=/path/to/python3"
    say "venv: creating .deps/venv with $("$python" --version)"
    "$python" -m venv "$venv"
  fi
  defects=$(venv_defects "${packages[@]}")
  [[ -z $defects ]] && return 0
  say "venv: installing ${packages[*]}"
  # No retries first: an unreachable index must not delay a machine that has the wheels at hand.
  local pip=("$venv/bin/python3" -m pip install --disable-pip-version-check --extra-index-url "$torch_index")
  "${pip[@]}" --quiet --retries 0 --timeout 15 "${packages[@]}" ||
    { say "venv: trying once more"; "${pip[@]}" --retries 3 --timeout 60 "${packages[@]}"; } ||
    die "pip could not install ${packages[*]}; check the network and run scripts/setup.sh again"
  defects=$(venv_defects "${packages[@]}")
  [[ -z $defects ]] || die "after pip: $defects; remove .deps/venv and run scripts/setup.sh again"
}

report() {
  local packages=("${pip_packages[@]}") missing=()
  $use_apt && mapfile -t missing < <(missing_apt)
  command -v cmake >/dev/null && old_cmake && packages+=("$pip_cmake")
  if [[ ! -e $venv ]]; then
    find_python >/dev/null || missing+=("python3 (3.10 to 3.14, with venv)")
    missing+=(".deps/venv" "${packages[@]}")
  elif ! venv_runs; then
    missing+=(".deps/venv (incomplete)" "${packages[@]}")
  else
    mapfile -t -O "${#missing[@]}" missing < <(venv_defects "${packages[@]}" |
      sed -e 's/^absent //' -e 's/^broken \(.*\)/\1 (incomplete)/')
  fi
  if ((${#missing[@]} == 0)); then
    say "nothing is missing"
    return 0
  fi
  printf 'missing: %s\n' "${missing[@]}"
  return 1
}

install() {
  mkdir -p "$deps"
  exec 8>"$deps/setup.lock"
  flock -n 8 || { say "waiting for another setup of this tree"; flock 8; }
  local missing=()
  if $use_apt; then
    mapfile -t missing < <(missing_apt)
    [[ -e $venv ]] || find_python >/dev/null || missing+=(python3 python3-venv)
    ((${#missing[@]} == 0)) || install_apt "${missing[@]}"
  fi
  install_venv
  current_stamp "$($use_apt && echo apt || echo no-apt)" >"$stamp.new"
  mv "$stamp.new" "$stamp"
  say "done"
}

check=false quick=false use_apt=true
wanted=("${apt_packages[@]}")
for argument in "$@"; do
  case $argument in
    --check) check=true ;;
    --quick) quick=true ;;  # for the other scripts: silent when the stamp still holds
    --dev) wanted+=("${dev_packages[@]}") ;;
    --no-apt) use_apt=false ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'setup: unknown argument %s\n' "$argument" >&2; usage >&2; exit 2 ;;
  esac
done
if $check; then
  report
elif ! $quick || ! up_to_date; then
  install
fi
