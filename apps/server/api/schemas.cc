// Bodies of requests and answers, as JSON Schema: what openapi.json says of them.
#include "api/schemas.h"

#include <nlohmann/json.hpp>

namespace treble::server {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kSchemas = R"json({
  "Inputs": {
    "description": "A text, texts, token ids of this model, or lists of token ids. No input may be empty. Ids are read as they are: no special tokens and no prompt are added.",
    "oneOf": [
      {"type": "string", "minLength": 1},
      {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
      {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
      {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}}
    ]
  },
  "Texts": {
    "oneOf": [
      {"type": "string", "minLength": 1},
      {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
    ]
  },
  "Temperature": {
    "description": "Of attention: a number above 0 (1 is the model as trained, less sharpens), or a schedule: log:N0, ssmax:S, ssmax:S,B, yarn:N0, or match:NAME of a profile that the server was started with.",
    "oneOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "minLength": 1}]
  },
  "State": {
    "description": "Control of the state of Mamba-2 models, which other models refuse: none (the model as trained), rri:A,B (retain and insert less), window:R (the last R tokens), norm:P (Frobenius norm of each head's state held to P).",
    "type": "string", "minLength": 4
  },
  "Precision": {
    "description": "What the numbers of vectors are. int8 and uint8: 256 steps between the minimum and maximum of each dimension, and only where the server was started with --ranges; binary and ubinary: a bit a dimension, eight to a byte. \"float\" is float32.",
    "type": "string", "enum": ["float32", "float", "float16", "int8", "uint8", "binary", "ubinary"]
  },
  "EmbedRequest": {
    "type": "object", "required": ["inputs"],
    "properties": {
      "inputs": {"$ref": "#/components/schemas/Inputs"},
      "precision": {"oneOf": [{"$ref": "#/components/schemas/Precision"}, {"type": "null"}]},
      "output_dtype": {"oneOf": [{"$ref": "#/components/schemas/Precision"}, {"type": "null"}], "description": "Another name of precision."},
      "$encode": {}
    }
  },
  "EmbedResponse": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
  "EmbedAllResponse": {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}},
  "SimilarityRequest": {
    "type": "object", "required": ["inputs"],
    "properties": {
      "inputs": {
        "type": "object", "required": ["source_sentence", "sentences"],
        "properties": {
          "source_sentence": {"type": "string", "minLength": 1},
          "sentences": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
        }
      },
      "parameters": {"type": ["object", "null"], "description": "The fields below, where TEI's clients put them."},
      "$encode": {}
    }
  },
  "SimilarityResponse": {"type": "array", "items": {"type": "number"}},
  "TokenizeRequest": {
    "type": "object", "required": ["inputs"],
    "properties": {
      "inputs": {"$ref": "#/components/schemas/Texts"},
      "add_special_tokens": {"type": ["boolean", "null"], "default": true},
      "prompt_name": {"type": ["string", "null"]},
      "model": {"type": ["string", "null"]}
    }
  },
  "TokenizeResponse": {
    "type": "array",
    "items": {
      "type": "array",
      "items": {
        "type": "object", "required": ["id", "text", "special", "start", "stop"],
        "properties": {
          "id": {"type": "integer"}, "text": {"type": "string"}, "special": {"type": "boolean"},
          "start": {"type": ["integer", "null"], "description": "First Unicode character of the text."},
          "stop": {"type": ["integer", "null"], "description": "One past the last."}
        }
      }
    }
  },
  "DecodeRequest": {
    "type": "object", "required": ["ids"],
    "properties": {
      "ids": {
        "oneOf": [
          {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
          {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}}
        ]
      },
      "skip_special_tokens": {"type": ["boolean", "null"], "default": true},
      "model": {"type": ["string", "null"]}
    }
  },
  "DecodeResponse": {"type": "array", "items": {"type": "string"}},
  "InfoResponse": {
    "type": "object",
    "required": ["model_id", "model_sha", "model_dtype", "model_type", "max_input_length", "temperature"],
    "properties": {
      "model_id": {"type": "string", "description": "The folder or name that it was loaded from."}, "model_sha": {"type": "string"}, "model_dtype": {"type": "string"},
      "served_model_name": {"type": "string"}, "model_type": {"type": "object"},
      "max_input_length": {"type": "integer"}, "max_client_batch_size": {"type": "integer"},
      "payload_limit": {"type": "integer"},
      "auto_truncate": {"type": "boolean"}, "temperature": {"type": "string"}, "state": {"type": "string"},
      "state_layers": {"type": "integer", "description": "That a control of the state acts on; 0: the model has none."}, "dimensions": {"type": ["integer", "null"], "description": "null: a cross-encoder."},
      "models": {"type": "array", "items": {"type": "object"}, "description": "The same of each model, where there are several."}
    }
  },
  "EmbeddingsRequest": {
    "type": "object", "required": ["input", "model"],
    "properties": {
      "input": {"$ref": "#/components/schemas/Inputs"},
      "encoding_format": {"type": ["string", "null"], "enum": ["float", "base64", null], "default": "float"},
      "precision": {"oneOf": [{"$ref": "#/components/schemas/Precision"}, {"type": "null"}]},
      "output_dtype": {"oneOf": [{"$ref": "#/components/schemas/Precision"}, {"type": "null"}], "description": "Another name of precision."},
      "user": {},
      "$encode": {}
    }
  },
  "EmbeddingsResponse": {
    "type": "object", "required": ["object", "data", "model", "usage"],
    "properties": {
      "object": {"const": "list"},
      "data": {
        "type": "array",
        "items": {
          "type": "object", "required": ["object", "index", "embedding"],
          "properties": {
            "object": {"const": "embedding"}, "index": {"type": "integer"},
            "embedding": {
              "oneOf": [
                {"type": "array", "items": {"type": "number"}},
                {"type": "string", "description": "Base64 of the little-endian numbers, float32 unless `precision` says otherwise."}
              ]
            }
          }
        }
      },
      "model": {"type": "string"},
      "usage": {
        "type": "object", "required": ["prompt_tokens", "total_tokens"],
        "properties": {
          "prompt_tokens": {"type": "integer", "description": "Tokens that the model read."},
          "total_tokens": {"type": "integer"},
          "truncated_texts": {"type": "integer"}, "truncated_tokens": {"type": "integer"}
        }
      }
    }
  },
  "ModelResponse": {
    "type": "object", "required": ["id", "object", "created", "owned_by"],
    "properties": {"id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"}}
  },
  "ModelsResponse": {
    "type": "object", "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/ModelResponse"}}}
  },
  "IdentifiedText": {
    "type": "object", "required": ["text"],
    "properties": {"id": {"type": ["string", "integer", "null"]}, "text": {"type": "string", "minLength": 1}}
  },
  "InspectRequest": {
    "type": "object", "required": ["inputs"],
    "properties": {
      "inputs": {
        "description": "A text, or a list of texts and of texts with ids for the reader of the report.",
        "oneOf": [
          {"type": "string", "minLength": 1},
          {"type": "array", "minItems": 1, "items": {"oneOf": [{"type": "string", "minLength": 1}, {"$ref": "#/components/schemas/IdentifiedText"}]}}
        ]
      },
      "temperatures": {"type": ["array", "null"], "maxItems": 16, "items": {"$ref": "#/components/schemas/Temperature"}, "description": "To compare with the model as trained, which is always measured; `temperature` is one more."},
      "posts": {"type": ["array", "null"], "maxItems": 16, "items": {"type": "string", "minLength": 1}, "description": "Fitted steps to measure after the model as trained: centring, whitening[:K], all-but-the-top[:D], length-direction."},
      "queries": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}, {"type": "null"}], "description": "Texts to compare with the inputs: does a longer text score higher?"},
      "query_prompt_name": {"type": ["string", "null"], "description": "The model's prompt for them."},
      "layers": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0}, "description": "Layers to look into, from 0. Default: all; an empty list: none."},
      "sample": {"type": ["integer", "null"], "minimum": 2, "maximum": 1000, "default": 200, "description": "Maximum number of texts of each length."},
      "bootstrap": {"type": ["integer", "null"], "minimum": 0, "maximum": 10000, "default": 1000, "description": "Resamples for the intervals; at most 2500000 divided by the larger of `sample` and the number of queries."},
      "seed": {"type": ["integer", "null"], "minimum": 0, "maximum": 9223372036854775807, "default": 1, "description": "Of the sample and the bootstrap."},
      "cut_lengths": {"type": ["array", "null"], "maxItems": 16, "items": {"type": "integer", "minimum": 1, "maximum": 2048}, "default": [32, 64, 128, 256, 512], "description": "Tokens at which the same texts are cut."},
      "bucket_edges": {"type": ["array", "null"], "maxItems": 16, "items": {"type": "integer", "minimum": 1, "maximum": 1000000}, "default": [32, 64, 128, 256, 512], "description": "Upper edges of the length buckets, in tokens."},
      "probe_texts": {"type": ["integer", "null"], "minimum": 1, "maximum": 64, "default": 4, "description": "Texts of each cut length whose layers are looked into."},
      "neighbors": {"type": ["integer", "null"], "minimum": 1, "maximum": 100, "default": 10, "description": "Of a text, for hubness and the map."},
      "$encode": {}
    }
  },
  "InspectResponse": {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "inspect"}}},
  "HealthResponse": {
    "type": "object", "required": ["status", "models"],
    "properties": {"status": {"type": "string"}, "models": {"type": "object"}}
  },
  "RerankRequest": {
    "type": "object", "required": ["query", "texts"],
    "properties": {
      "query": {"type": "string", "minLength": 1},
      "texts": {"$ref": "#/components/schemas/Texts"},
      "return_text": {"type": ["boolean", "null"], "default": false},
      "$score": {}
    }
  },
  "RerankResponse": {
    "description": "Highest score first.",
    "type": "array",
    "items": {
      "type": "object", "required": ["index", "score"],
      "properties": {"index": {"type": "integer"}, "score": {"type": "number"}, "text": {"type": "string"}}
    }
  },
  "DocumentsRequest": {
    "type": "object", "required": ["query", "documents"],
    "properties": {
      "query": {"type": "string", "minLength": 1},
      "documents": {
        "type": "array", "minItems": 1,
        "items": {
          "oneOf": [
            {"type": "string", "minLength": 1},
            {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
          ]
        }
      },
      "top_n": {"type": ["integer", "null"], "minimum": 1, "description": "Results to give. Default: all."},
      "return_documents": {"type": ["boolean", "null"], "default": false},
      "$score": {}
    }
  },
  "DocumentsResponse": {
    "type": "object", "required": ["object", "model", "results", "usage"],
    "properties": {
      "object": {"const": "list"}, "model": {"type": "string"},
      "results": {
        "type": "array",
        "items": {
          "type": "object", "required": ["index", "relevance_score"],
          "properties": {
            "index": {"type": "integer"}, "relevance_score": {"type": "number"},
            "document": {"type": "object", "properties": {"text": {"type": "string"}}}
          }
        }
      },
      "usage": {"type": "object", "required": ["prompt_tokens", "total_tokens"]}
    }
  },
  "PredictRequest": {
    "type": "object", "required": ["inputs"],
    "properties": {
      "inputs": {
        "description": "A text; a list of one text, or of two, which are a pair; or a batch of such lists, all of one length.",
        "oneOf": [
          {"type": "string", "minLength": 1},
          {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "minLength": 1}},
          {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "minLength": 1}}}
        ]
      },
      "$score": {}
    }
  },
  "Prediction": {
    "type": "array",
    "items": {
      "type": "object", "required": ["score", "label"],
      "properties": {"score": {"type": "number"}, "label": {"type": "string"}}
    }
  },
  "PredictResponse": {
    "description": "Every label, the highest score first; of a batch, a list of such lists.",
    "oneOf": [{"$ref": "#/components/schemas/Prediction"}, {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}}]
  },
  "SparseRequest": {
    "type": "object", "required": ["inputs"],
    "properties": {
      "inputs": {"$ref": "#/components/schemas/Texts"},
      "role": {"type": ["string", "null"], "enum": ["query", "document", null], "description": "What the inputs are, for models that read the two differently; takes the model's prompt of that name. Default: as the model says."},
      "max_active_dims": {"type": ["integer", "null"], "minimum": 1, "description": "Keep as many of an input's largest weights. Default: as the model says, or all."},
      "$reading": {}
    }
  },
  "SparseResponse": {
    "type": "array",
    "items": {
      "type": "array",
      "items": {
        "type": "object", "required": ["index", "value"],
        "properties": {"index": {"type": "integer", "minimum": 0}, "value": {"type": "number"}}
      }
    }
  },
  "AnyResponse": {"type": "object"},
  "TeiError": {
    "type": "object", "required": ["error", "error_type"],
    "properties": {
      "error": {"type": "string"}, "error_type": {"type": "string"},
      "index": {"type": "integer", "description": "The input that is to blame, where it is one."}
    }
  },
  "OpenAIError": {
    "type": "object", "required": ["error"],
    "properties": {
      "error": {
        "type": "object", "required": ["message", "type", "param", "code"],
        "properties": {
          "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]},
          "code": {"type": "string"}
        }
      }
    }
  }
})json";

/// What "$encode" stands for.
constexpr const char* kEncodeFields = R"json({
  "model": {"type": ["string", "null"], "description": "One of /v1/models; may be left out where the route does not require it."},
  "temperature": {"oneOf": [{"$ref": "#/components/schemas/Temperature"}, {"type": "null"}]},
  "state": {"oneOf": [{"$ref": "#/components/schemas/State"}, {"type": "null"}]},
  "prompt_name": {"type": ["string", "null"], "description": "One of the model's prompts; \"\" for none."},
  "prompt": {"type": ["string", "null"], "description": "Put before every text; excludes prompt_name."},
  "truncate": {"type": ["boolean", "null"], "description": "Cut inputs beyond the limit (and say how much) rather than refuse them. Default: --auto-truncate."},
  "truncation_direction": {"type": ["string", "null"], "enum": ["Left", "Right", "left", "right", null], "description": "What is dropped. Default: as the model says."},
  "normalize": {"type": ["boolean", "null"], "description": "Vectors of length 1. Default: true for vectors, as TEI has it; as the model says for /similarity and /inspect."},
  "dimensions": {"type": ["integer", "null"], "minimum": 1, "description": "Leading dimensions to keep (Matryoshka)."},
  "max_length": {"type": ["integer", "null"], "minimum": 1, "description": "Longest input in tokens, up to the model's limit."}
})json";

/// What "$reading" stands for, of the fields above; "$score" is that and raw_scores.
constexpr const char* kReadingFields[] = {"model",    "temperature",          "prompt_name", "prompt",
                                          "truncate", "truncation_direction", "max_length"};
constexpr const char* kRawScores = R"json({
  "type": ["boolean", "null"], "default": false,
  "description": "The model's logits, instead of scores between 0 and 1 (sigmoid; over several labels, softmax)."
})json";

}  // namespace

const OrderedJson& schemas() {
  static const OrderedJson all = [] {
    OrderedJson result = OrderedJson::parse(kSchemas);
    const OrderedJson fields = OrderedJson::parse(kEncodeFields);
    for (auto& [name, schema] : result.items()) {
      if (!schema.contains("properties")) continue;
      auto& properties = schema["properties"];
      if (properties.erase("$score") > 0) {
        properties["$reading"] = {};
        properties["raw_scores"] = OrderedJson::parse(kRawScores);
      }
      if (properties.erase("$reading") > 0) {
        for (const char* field : kReadingFields) properties[field] = fields.at(field);
      }
      if (!properties.contains("$encode")) continue;
      properties.erase("$encode");
      for (const auto& [field, description] : fields.items()) properties[field] = description;
    }
    // OpenAI's clients always name the model.
    result["EmbeddingsRequest"]["properties"]["model"]["type"] = "string";
    return result;
  }();
  return all;
}

}  // namespace treble::server
