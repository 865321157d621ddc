# cmake -DROOT=... -DOUT=... -P write_commit.cmake: a source file that says which commit is built, written only when it
# says something new.
execute_process(COMMAND git -C ${ROOT} describe --always --abbrev=10 --dirty=+ --exclude=*
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
#include <bench/commit.h>

namespace retentive::bench {

const char* built_commit() { return "@commit@"; }

}  // namespace retentive::bench
]] @ONLY)
