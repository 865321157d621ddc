// Cuts lines into tokens and puts them together again: count_tokens TOKENIZER <TEXT
// TOKENIZER is a tokenizer.json, a SentencePiece model, or the word "bytes".
#include <cstdio>
#include <iostream>
#include <string>

#include <models/tokenizers/stream_decoder.h>
#include <retention/base/error.h>

namespace {

int run(const std::string& name) {
  const auto tokenizer = retentive::models::load_tokenizer(name);
  retentive::models::StreamDecoder stream(*tokenizer);
  for (std::string line; std::getline(std::cin, line);) {
    const auto ids = tokenizer->encode(line);
    std::string text;
    for (const auto id : ids) text += stream.push(id);
    text += stream.flush();
    std::printf("%zu tokens: %s\n", ids.size(), text.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: count_tokens TOKENIZER <TEXT\n");
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const retentive::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
