# Sourced by run.sh, test.sh and check.sh: the tree's root, its cmake, and one locked way to build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

cmake_tool() {  # cmake|ctest: setup.sh puts a newer one into the venv where the system's is too old
  if [[ -x $root/.deps/venv/bin/$1 ]]; then
    printf '%s\n' "$root/.deps/venv/bin/$1"
  else
    printf '%s\n' "$1"
  fi
}

# A LibTorch source file takes up to 1.5 GB to compile, so memory bounds the jobs as cores do.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  ((memory < 1)) && memory=1
  echo $((cores < memory ? cores : memory))
}

# build PRESET TARGET: configures when needed, builds what is out of date; writes to stderr, nothing when up to date.
build() (
  preset=$1 target=$2 dir=$root/build/$1
  mkdir -p "$root/build"
  exec 9>"$root/build/$preset.lock" >&2
  flock -n 9 || { echo "waiting for another build of preset $preset"; flock 9; }
  cd "$root"
  if [[ ! -e $dir/build.ninja || $dir/build.ninja -ot .deps/setup.stamp ]]; then
    "$(cmake_tool cmake)" --preset "$preset" 9>&- || exit
  fi
  if [[ $(ninja -C "$dir" -n "$target" 2>&1 9>&- | tail -n 1) != "ninja: no work to do." ]]; then
    ninja -C "$dir" -j "$(build_jobs)" "$target" 9>&-
  fi
)
