#pragma once

#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include <bench/report/machine.h>

/// What the reports of all measurements have in common.
namespace retentive::bench {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, pattern, values...);
  return line;
}

/// A side for squares, else HEIGHTxWIDTH.
inline std::string size_text(int64_t height, int64_t width) {
  return height == width ? std::to_string(height) : std::to_string(height) + "x" + std::to_string(width);
}

inline nlohmann::ordered_json machine_json(const Machine& machine) {
  return {{"cpu", machine.cpu},           {"isa", machine.isa},
          {"cores", machine.cores},       {"retentive", machine.retentive},
          {"libtorch", machine.libtorch}, {"onednn", machine.onednn},
          {"load", machine.load},         {"pingpong_ns", machine.pingpong_ns}};
}

inline std::string machine_text(const Machine& machine) {
  return "machine     " + machine.cpu + ", " + machine.isa +
         format(", load %.1f, ping-pong %.0f ns (%s)\n", machine.load, machine.pingpong_ns,
                cache_state(machine.pingpong_ns));
}

}  // namespace retentive::bench
