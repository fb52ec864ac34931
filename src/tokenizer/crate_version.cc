#include "tokenizer/crate_version.h"

#include "treble_tokenizers.h"

namespace treble::internal {

std::string tokenizers_crate_version() { return treble_tok_crate_version(); }

}  // namespace treble::internal
