#pragma once

// The one place that names the Catch2 major version.
#include <catch2/catch.hpp>
