// Reads a weights file without LibTorch, and sees a library exception as its own type across the library boundary.
#include <cstdio>

#include <models/formats/safetensors.h>
#include <retention/base/error.h>

#if __has_include(<torch/torch.h>)
#error "LibTorch's headers leak into a program that links retentive::formats only"
#endif

int main(int argc, char** argv) {
  using retentive::models::formats::SafetensorsFile;
  if (argc != 2) return 2;
  try {
    SafetensorsFile::open("/nowhere/weights.safetensors");
    return 3;
  } catch (const retentive::CheckpointError& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  try {
    std::printf("%zu tensors\n", SafetensorsFile::open(argv[1]).tensors().size());
  } catch (const retentive::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
