//! Which tokenizer class `AutoTokenizer.from_pretrained` of transformers 5.24 takes for a folder. Most classes build their
//! tokenizer anew from the vocabulary and the settings; only `TokenizersBackend` takes tokenizer.json as it stands.

use crate::status::Failure;

/// A class that builds its tokenizer anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Bert,
    MPNet,
    Roberta,
    Deberta,
    Gpt2,
    GptNeoX,
    Qwen2,
    Qwen35,
    Llama,
    Gemma,
    XlmRoberta,
    Camembert,
    T5,
    Albert,
    DebertaV2,
}

/// What names the class: keys of config.json and tokenizer_config.json.
#[derive(Default)]
pub struct Names {
    pub model_type: String,
    pub config_class: Option<String>,
    pub tokenizer_class: Option<String>,
    /// tokenizer_config.json has a tokenizer in code of its own; transformers runs it only on request, we never do.
    pub has_code: bool,
    /// "ByteLevel" stands somewhere in tokenizer.json.
    pub byte_level: bool,
}

/// The class that transformers registers for a model type, without "Fast"; "" stands for `TokenizersBackend`.
fn registered(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "bert" | "electra" | "nomic_bert" | "convbert" | "ernie" | "megatron-bert" | "nezha"
        | "distilbert" | "retribert" => "BertTokenizer",
        "mpnet" => "MPNetTokenizer",
        "roberta" | "roberta-prelayernorm" | "data2vec-text" | "longformer" | "ibert" => {
            "RobertaTokenizer"
        }
        "xlm-roberta" | "xmod" | "gte" | "jina_embeddings_v3" => "XLMRobertaTokenizer",
        "camembert" => "CamembertTokenizer",
        "albert" => "AlbertTokenizer",
        "deberta" => "DebertaTokenizer",
        "deberta-v2" => "DebertaV2Tokenizer",
        "t5" | "mt5" | "switch_transformers" => "T5Tokenizer",
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" | "t5gemma" => "GemmaTokenizer",
        "qwen2" | "qwen2_moe" | "qwen3" | "qwen3_moe" => "Qwen2Tokenizer",
        "qwen3_5" | "qwen3_5_text" => "Qwen3_5Tokenizer",
        "mistral" | "ministral" | "ministral3" | "mixtral" | "modernbert"
        | "modernbert-decoder" | "umt5" | "xlm-roberta-xl" | "granite" => "",
        _ => return None,
    })
}

/// Model types whose checkpoints often name a wrong class, so that the registered one wins.
fn names_a_wrong_class(model_type: &str) -> bool {
    matches!(
        model_type,
        "modernbert" | "modernbert-decoder" | "qwen2" | "qwen3_5"
    )
}

/// Classes of transformers that work in another way than any of `Class`.
const OTHER_CLASSES: [&str; 66] = [
    "BarthezTokenizer",
    "BartphoTokenizer",
    "BertGenerationTokenizer",
    "BertJapaneseTokenizer",
    "BertweetTokenizer",
    "BigBirdTokenizer",
    "BioGptTokenizer",
    "BlenderbotSmallTokenizer",
    "BlenderbotTokenizer",
    "ByT5Tokenizer",
    "CLIPTokenizer",
    "CTRLTokenizer",
    "CanineTokenizer",
    "ClvpTokenizer",
    "CodeGenTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "ConvBertTokenizer",
    "CpmAntTokenizer",
    "CpmTokenizer",
    "DPRContextEncoderTokenizer",
    "DPRQuestionEncoderTokenizer",
    "DPRReaderTokenizer",
    "DiaTokenizer",
    "EsmTokenizer",
    "EsmcTokenizer",
    "FNetTokenizer",
    "FSMTTokenizer",
    "FlaubertTokenizer",
    "FunnelTokenizer",
    "GPTNeoXJapaneseTokenizer",
    "GPTSw3Tokenizer",
    "HerbertTokenizer",
    "LasrTokenizer",
    "LayoutLMv2Tokenizer",
    "LayoutLMv3Tokenizer",
    "LayoutXLMTokenizer",
    "LukeTokenizer",
    "M2M100Tokenizer",
    "MBart50Tokenizer",
    "MBartTokenizer",
    "MLukeTokenizer",
    "MarianTokenizer",
    "MarkupLMTokenizer",
    "MyT5Tokenizer",
    "NllbTokenizer",
    "NougatTokenizer",
    "OpenAIGPTTokenizer",
    "PLBartTokenizer",
    "PegasusTokenizer",
    "PerceiverTokenizer",
    "PhobertTokenizer",
    "ProphetNetTokenizer",
    "ReformerTokenizer",
    "RemBertTokenizer",
    "RoCBertTokenizer",
    "RoFormerTokenizer",
    "SeamlessM4TTokenizer",
    "SiglipTokenizer",
    "Siglip2Tokenizer",
    "SplinterTokenizer",
    "TapasTokenizer",
    "UdopTokenizer",
    "XGLMTokenizer",
    "XLMTokenizer",
    "XLNetTokenizer",
];

/// The class of that name ("Fast" at the end means the same); None: tokenizer.json as it stands, which is also what
/// transformers does with a name that it does not know.
fn class_named(name: &str) -> Result<Option<Class>, Failure> {
    let name = name.strip_suffix("Fast").unwrap_or(name);
    Ok(Some(match name {
        "BertTokenizer"
        | "DistilBertTokenizer"
        | "ElectraTokenizer"
        | "LxmertTokenizer"
        | "MobileBertTokenizer"
        | "SqueezeBertTokenizer" => Class::Bert,
        "MPNetTokenizer" => Class::MPNet,
        "RobertaTokenizer"
        | "LongformerTokenizer"
        | "BartTokenizer"
        | "LEDTokenizer"
        | "MvpTokenizer" => Class::Roberta,
        "DebertaTokenizer" => Class::Deberta,
        "GPT2Tokenizer" => Class::Gpt2,
        "GPTNeoXTokenizer" => Class::GptNeoX,
        "Qwen2Tokenizer" => Class::Qwen2,
        "Qwen3_5Tokenizer" => Class::Qwen35,
        "LlamaTokenizer" => Class::Llama,
        "GemmaTokenizer" => Class::Gemma,
        "XLMRobertaTokenizer" => Class::XlmRoberta,
        "CamembertTokenizer" => Class::Camembert,
        "T5Tokenizer" => Class::T5,
        "AlbertTokenizer" => Class::Albert,
        "DebertaV2Tokenizer" => Class::DebertaV2,
        _ if OTHER_CLASSES.contains(&name) => {
            return Err(Failure::unsupported(format!(
                "tokenizer_config.json: tokenizer_class \"{name}\" is not supported: it splits texts in another way \
                 than tokenizer.json says; if tokenizer.json is right, set tokenizer_class to \"TokenizersBackend\""
            )));
        }
        _ => return Ok(None),
    }))
}

/// None: tokenizer.json as it stands.
pub fn choose(names: &Names) -> Result<Option<Class>, Failure> {
    let hub = names
        .tokenizer_class
        .as_deref()
        .or(names.config_class.as_deref());
    let registered = registered(&names.model_type);
    if let (Some(hub), false) = (hub, names.has_code) {
        let plain = hub.strip_suffix("Fast").unwrap_or(hub);
        let wrong = names_a_wrong_class(&names.model_type);
        // Llama 3 names the class of Llama 2, which has no byte level.
        if plain == "LlamaTokenizer" && names.byte_level && !wrong {
            return Ok(None);
        }
        if let Some(registered) = registered
            && registered != plain
        {
            return if registered.is_empty() {
                Ok(None)
            } else {
                class_named(if wrong { registered } else { hub })
            };
        }
    }
    class_named(hub.or(registered).unwrap_or(""))
}

/// Whether the tokenizer gives its model token types, where tokenizer_config.json has no `model_input_names`.
pub fn gives_type_ids(class: Option<Class>, names: &Names) -> bool {
    let named = names
        .tokenizer_class
        .as_deref()
        .or(names.config_class.as_deref());
    // DistilBERT's tokenizer is BERT's but for this.
    let distilbert = named.is_some_and(|name| name.starts_with("DistilBertTokenizer"));
    matches!(class, Some(Class::Bert | Class::Deberta | Class::DebertaV2)) && !distilbert
}

/// The named tokens that a class brings along.
pub fn default_tokens(class: Class) -> &'static [(&'static str, &'static str)] {
    match class {
        Class::Bert => &[
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        Class::MPNet => &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "[UNK]"),
            ("sep_token", "</s>"),
            ("pad_token", "<pad>"),
            ("cls_token", "<s>"),
            ("mask_token", "<mask>"),
        ],
        Class::Roberta | Class::XlmRoberta | Class::Camembert => &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("sep_token", "</s>"),
            ("pad_token", "<pad>"),
            ("cls_token", "<s>"),
            ("mask_token", "<mask>"),
        ],
        Class::Deberta | Class::DebertaV2 => &[
            ("bos_token", "[CLS]"),
            ("eos_token", "[SEP]"),
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        Class::Albert => &[
            ("bos_token", "[CLS]"),
            ("eos_token", "[SEP]"),
            ("unk_token", "<unk>"),
            ("sep_token", "[SEP]"),
            ("pad_token", "<pad>"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        Class::Gpt2 => &[
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
        ],
        Class::GptNeoX => &[
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
            ("pad_token", "<|padding|>"),
        ],
        Class::Qwen2 | Class::Qwen35 => &[
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
            ("pad_token", "<|endoftext|>"),
        ],
        Class::Llama => &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
        ],
        Class::Gemma => &[
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        Class::T5 => &[
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
        ],
    }
}
