#include <apps/image_size.h>

#include <cstdio>
#include <sstream>

#include <retention/base/error.h>

namespace retentive::apps {

bench::ImageSize parse_image_size(const std::string& text, const std::string& flag) {
  std::istringstream in(text);
  bench::ImageSize size;
  char cross = 'x';
  const bool first = static_cast<bool>(in >> size.height);
  size.width = size.height;
  const bool second = in.eof() || (in >> cross >> size.width && cross == 'x' && in.peek() == EOF);
  if (first && second && size.height >= 1 && size.width >= 1) return size;
  throw InvalidArgument("[bench] " + flag + " has \"" + text +
                        "\"; give a side of at least 1 pixel, such as 224, or HEIGHTxWIDTH such as 480x640");
}

}  // namespace retentive::apps
