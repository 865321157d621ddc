# Finds every dependency; what is missing or too old stops configuration with the fix in the message.

function(retentive_require found name requirement fix)
  if(NOT ${found})
    message(FATAL_ERROR "${name} (${requirement}) was not found or does not match.\n"
                        "Fix: run scripts/setup.sh, or ${fix}.")
  endif()
endfunction()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers make ccache refuse unless these checks are relaxed.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime CCACHE_NOHASHDIR=1
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} ${CCACHE_PROGRAM})
endif()

# A LibTorch given through CMAKE_PREFIX_PATH or Torch_DIR wins over the one scripts/setup.sh installs.
file(GLOB retentive_venv_torch ${PROJECT_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch)
set(retentive_user_prefix ${CMAKE_PREFIX_PATH})
list(APPEND CMAKE_PREFIX_PATH ${retentive_venv_torch})
set(CMAKE_MESSAGE_LOG_LEVEL ERROR)  # the wheel's own config warns of a library that CPU builds do not have
find_package(Torch 2.13 QUIET)
unset(CMAKE_MESSAGE_LOG_LEVEL)
set(CMAKE_PREFIX_PATH ${retentive_user_prefix})
retentive_require(Torch_FOUND "LibTorch" ">= 2.13, CPU" "unpack a LibTorch and pass -DCMAKE_PREFIX_PATH=/path/to/libtorch")
# CMake passes over a LibTorch of another version in silence; one that was asked for must not be replaced so.
if(Torch_CONSIDERED_CONFIGS)
  list(GET Torch_CONSIDERED_CONFIGS 0 retentive_first_torch)
  list(GET Torch_CONSIDERED_VERSIONS 0 retentive_first_torch_version)
  if(NOT retentive_first_torch STREQUAL Torch_CONFIG)
    message(FATAL_ERROR "LibTorch ${retentive_first_torch_version} (${retentive_first_torch}) does not match: 2.13 or newer "
                        "is needed.\nFix: give a newer one, or none to use that of scripts/setup.sh.")
  endif()
endif()

# oneDNN 3 comes with scripts/setup.sh too; Debian 12's own is too old.
find_package(dnnl 3.2 QUIET HINTS ${PROJECT_SOURCE_DIR}/.deps/venv)
retentive_require(dnnl_FOUND "oneDNN" "3.2 or a later 3.x, OpenMP" "pass -Ddnnl_ROOT=/path/to/onednn")

find_package(OpenCV 4.5 QUIET COMPONENTS core imgproc imgcodecs videoio)
retentive_require(OpenCV_FOUND "OpenCV" ">= 4.5 with core, imgproc, imgcodecs, videoio" "sudo apt-get install libopencv-dev")

find_package(PNG 1.6 QUIET)
retentive_require(PNG_FOUND "libpng" ">= 1.6" "sudo apt-get install libpng-dev")
# 4.5 brought error handlers and memory limits of each open file.
find_package(TIFF 4.5 QUIET)
retentive_require(TIFF_FOUND "libtiff" ">= 4.5" "sudo apt-get install libtiff-dev")

find_package(JPEG QUIET)
retentive_require(JPEG_FOUND "libjpeg-turbo" "any" "sudo apt-get install libjpeg-dev")
find_package(GIF 5.1 QUIET)
retentive_require(GIF_FOUND "giflib" ">= 5.1" "sudo apt-get install libgif-dev")

find_package(nlohmann_json 3.10 QUIET)
retentive_require(nlohmann_json_FOUND "nlohmann-json" ">= 3.10" "sudo apt-get install nlohmann-json3-dev")

# Libraries without a CMake config: through pkg-config, as targets PkgConfig::NAME.
find_package(PkgConfig QUIET)
retentive_require(PkgConfig_FOUND "pkg-config" "any" "sudo apt-get install pkg-config")
pkg_check_modules(webp QUIET IMPORTED_TARGET libwebp>=1.0 libwebpdemux>=1.0)
retentive_require(webp_FOUND "libwebp with its demuxer" ">= 1.0" "sudo apt-get install libwebp-dev")
pkg_check_modules(pcre2 QUIET IMPORTED_TARGET libpcre2-8>=10.40)
retentive_require(pcre2_FOUND "PCRE2" ">= 10.40, 8 bit" "sudo apt-get install libpcre2-dev")
pkg_check_modules(utf8proc QUIET IMPORTED_TARGET libutf8proc>=2.6)
retentive_require(utf8proc_FOUND "utf8proc" ">= 2.6" "sudo apt-get install libutf8proc-dev")
pkg_check_modules(sentencepiece QUIET IMPORTED_TARGET sentencepiece>=0.1.97)
retentive_require(sentencepiece_FOUND "SentencePiece" ">= 0.1.97" "sudo apt-get install libsentencepiece-dev")

if(RETENTIVE_APPS)
  find_package(CLI11 2.1 QUIET)
  retentive_require(CLI11_FOUND "CLI11" ">= 2.1" "sudo apt-get install libcli11-dev")
endif()

if(RETENTIVE_TESTS)
  find_package(Catch2 2.13 QUIET)
  retentive_require(Catch2_FOUND "Catch2" ">= 2.13" "sudo apt-get install catch2")
endif()

# FFmpeg 5.1 or newer: before, the length of side data was an int.
pkg_check_modules(ffmpeg QUIET IMPORTED_TARGET libavformat>=59 libavcodec>=59 libavutil>=57 libswscale>=6)
retentive_require(ffmpeg_FOUND "FFmpeg's libraries" ">= 5.1"
                  "sudo apt-get install libavformat-dev libavcodec-dev libavutil-dev libswscale-dev")

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
