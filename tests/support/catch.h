#pragma once

// The one place that names the Catch2 major version.
#define CATCH_CONFIG_FAST_COMPILE
#include <catch2/catch.hpp>
