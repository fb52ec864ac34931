// What all embedding routes share: inputs, options, the way through the queue, and the headers of the answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/api.h"
#include "api/json_body.h"
#include "treble/output_options.h"
#include "treble/request_queue.h"
#include "treble/sparse.h"
#include "treble/tokens.h"

namespace treble::server {

/// Texts, token ids, or pairs of texts: one kind alone.
struct Inputs {
  std::vector<std::string> texts = {};
  std::vector<TokenIds> ids = {};
  std::vector<OwnedTextPair> pairs = {};

  std::size_t size() const noexcept { return texts.size() + ids.size() + pairs.size(); }
};

/// The model that a body names, where it gives dense vectors. Throws ApiError{model_not_found}, and
/// ApiError{unsupported} for others.
ServedModel& embedding_model(const Api& api, const JsonBody& body);

/// A text, texts, token ids, or lists of token ids. Throws ApiError{invalid_argument, empty_input, batch_too_large}.
Inputs read_inputs(const JsonBody& body, const char* field, std::int64_t max_count);

/// Throws ApiError{empty_input, batch_too_large} unless `count` is a number of inputs that one request may have.
void check_count(std::size_t count, const char* field, std::int64_t max_count);

/// Input `index` of `field`, a text that is not empty. Throws ApiError{invalid_argument, empty_input}.
std::string read_text(const Json& value, const char* field, std::int64_t index);

/// Texts alone: as read_inputs.
std::vector<std::string> read_texts(const Json& value, const char* field, std::int64_t max_count);

/// The fields that read_encode_options reads.
std::vector<std::string_view> with_encode_fields(std::vector<std::string_view> fields);

/// `temperature`, `state`, `prompt_name`, `prompt`, `truncate`, `truncation_direction`, `normalize`, `dimensions`,
/// `max_length`, over the model's defaults. Throws ApiError{invalid_argument}, Error.
EncodeOptions read_encode_options(const JsonBody& body, const Api& api, const ServedModel& model);

/// A number, or a schedule as text. Never reads a file: profiles are those that the server was started with.
Temperature read_temperature(const Json& value, const char* field, const ApiOptions& options);

/// A written control of the state. Never reads a file: norms of heads come with the server's own default.
StateControl read_state(const Json& value, const char* field);

/// Makes the body from the vectors, on a thread of the queue.
using WriteVectors = std::function<std::string(const Embeddings& embeddings)>;
using WriteSparse = std::function<std::string(const SparseVectors& vectors)>;

/// What a request for sparse vectors has beside EmbedJob::options, and what makes its body.
struct SparseJob {
  std::optional<TextRole> role = {};
  std::optional<std::int64_t> max_active_dims = {};
  WriteSparse write = {};
};

struct EmbedJob {
  ServedModel* model = nullptr;
  Inputs inputs = {};
  const char* field = "inputs";  ///< named in errors
  EncodeOptions options = {};
  std::vector<std::string> ignored = {};  ///< fields of the body
  WriteVectors write = {};
  std::optional<SparseJob> sparse = {};  ///< in the place of dense vectors, of texts alone
};

/// The job of a body with read_encode_options's fields and the inputs in `field`; what writes the answer is missing.
/// Vectors are normalised unless the body says otherwise.
EmbedJob read_embed_job(const Api& api, const JsonBody& body, const char* field);

/// Puts the inputs into the model's queue and answers the call when the vectors are there.
void embed(Api& api, const std::shared_ptr<Call>& call, EmbedJob job);

/// Token counts into the record.
void count_tokens(RequestRecord& record, std::span<const TokenCount> counts);

/// x-compute-… and the other headers of TEI, and how much was truncated.
void add_compute_headers(const RequestRecord& record, HttpResponse& response);

/// x-ignored-fields, where there are any.
void add_ignored_fields(const std::vector<std::string>& names, HttpResponse& response);

}  // namespace treble::server
