#!/usr/bin/env bash
# Sets up, builds everything and runs all tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<END
usage: scripts/test.sh [--preset NAME] [--slow] [CTEST ARGUMENT...]
  --preset NAME  configure, build and test preset: release (default), ci, dev, asan-ubsan, tsan
  --slow         also the tests labelled slow (CI=true does the same)
Other arguments go to ctest, for example -R rmt.
END
}

preset=release slow=${CI:-false} arguments=()
while (($#)); do
  case $1 in
    --preset) (($# > 1)) || { usage >&2; exit 2; }; preset=$2; shift ;;
    --preset=*) preset=${1#*=} ;;
    --slow) slow=true ;;
    -h | --help) usage; exit 0 ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
[[ $slow == true ]] || arguments+=(--label-exclude slow)

"$root/scripts/setup.sh" --quick >&2
build "$preset" all

cd "$root"
log=build/$preset/test.log
status=0
arguments=(--preset "$preset" --output-on-failure --no-tests=error -j 1 "${arguments[@]}")
"$(cmake_tool ctest)" "${arguments[@]}" | tee "$log" || status=$?
# ctest closes with: 98% tests passed, 2 tests failed out of 120
echo "Worst deviations from the references:"
sed -n 's/^\(  .* worst [-+0-9.einf]* (.*)\)$/\1/p' "build/$preset/Testing/Temporary/LastTest.log"
closing='^[0-9]*% tests passed, \([0-9]*\) tests* failed out of \([0-9]*\)$'
read -r failed total < <(sed -n "s/$closing/\1 \2/p" "$log") || { failed=0 total=0; }
echo "$((total - failed)) passed, $failed failed"
exit "$status"
