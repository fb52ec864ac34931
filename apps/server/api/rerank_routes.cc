// Routes of models that this version does not run: they say so.
#include "api/api.h"

namespace treble::server {

namespace {

void refuse_cross_encoder(Api& /*api*/, const std::shared_ptr<Call>& /*call*/) {
  throw ApiError("unsupported",
                 "this needs a cross-encoder (a model for sequence classification), which this version of treble does "
                 "not run; rank by /similarity or by the vectors of /embed");
}

void refuse_sparse(Api& /*api*/, const std::shared_ptr<Call>& /*call*/) {
  throw ApiError(
      "unsupported",
      "this needs a model with a sparse head (SPLADE), which this version of treble does not run; /embed gives "
      "dense vectors");
}

}  // namespace

std::vector<Route> rerank_routes() {
  const std::vector<const char*> errors = {"unsupported"};
  return {
      {"POST", "/rerank", "Not supported: no cross-encoders yet", ErrorForm::tei, false, "AnyRequest", "", errors,
       refuse_cross_encoder},
      {"POST", "/v1/rerank", "Not supported: no cross-encoders yet", ErrorForm::openai, false, "AnyRequest", "", errors,
       refuse_cross_encoder},
      {"POST", "/predict", "Not supported: no cross-encoders yet", ErrorForm::tei, false, "AnyRequest", "", errors,
       refuse_cross_encoder},
      {"POST", "/embed_sparse", "Not supported: no sparse models yet", ErrorForm::tei, false, "AnyRequest", "", errors,
       refuse_sparse},
  };
}

}  // namespace treble::server
