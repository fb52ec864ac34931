/** Reports that no corpus would make: hostile texts, thousands of texts, and everything that may be missing. */

/** The same numbers at every run. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

export const HOSTILE = [
  "</script><script>window.hacked = 1; alert(1)</script>",
  '<img src=x onerror="window.hacked = 2">',
  "<!-- <script> -->",
  "line\u2028separator\u2029paragraph",
  "${window.hacked = 3} `; window.hacked = 4; //",
  "]]> &lt;b&gt; & \" ' \\ \u0000 \u202e reversed",
  "javascript:window.hacked=5",
];

const estimate = (mean, texts = 40) => ({
  texts,
  pairs: (texts * (texts - 1)) / 2,
  mean,
  low: mean - 0.01,
  high: mean + 0.01,
});
const across = (settings, columns, cell) => settings.map((_, s) => columns.map((_, c) => cell(s, c)));

/** A whole report of `count` texts; `change` may spoil it. */
export function inspectReport({
  count = 60,
  settings = ["1", "0.8", "log:64"],
  text = (i) => `text ${i}`,
  layers = [0, 1, 2, 3, 4, 5],
  change,
} = {}) {
  const next = random(count);
  const buckets = [1, 33, 65, 129].map((min, b) => ({
    min_tokens: min,
    max_tokens: 32 << b,
    texts_seen: count,
  }));
  const cuts = [32, 64, 128];
  const perLayer = (make) =>
    settings.flatMap((_, setting) =>
      cuts.flatMap((length) => layers.map((layer) => make(setting, layer, length))),
    );
  const neighbors = (i) =>
    Array.from({ length: Math.min(10, count - 1) }, (_, n) => ({
      i: (i + n + 1) % count,
      cosine: 0.9 - 0.0312345 * n,
    }));
  const report = {
    kind: "inspect",
    treble_version: "0.1.0",
    model: "model",
    baked_temperature: null,
    verdict: "Length collapse is visible: long texts are alike (mean cosine 0.2 against 0.1). More of it.",
    findings: {
      compared: true,
      short_bucket: 0,
      long_bucket: 3,
      visible: true,
      ratio: 1.5,
      explained_by_length: 0.7,
    },
    settings,
    texts: count,
    truncated_texts: 3,
    advice: ["12 % of the tokens are never read: encode such texts in pieces (post step chunk-mean:256)"],
    max_length: 256,
    seed: 1,
    sample: 200,
    buckets,
    bucket_cosine: across(settings, buckets, (s, b) => estimate(0.1 + 0.03 * b - 0.01 * s)),
    bucket_matrix: settings.map(() => buckets.map((_, a) => buckets.map((_, b) => 0.1 + 0.02 * a * b))),
    cut_lengths: cuts,
    cut_texts: 40,
    cut_cosine: across(settings, cuts, (s, c) => estimate(0.1 + 0.04 * c - 0.01 * s)),
    geometry: settings.map((_, s) => ({
      effective_rank: 100 - s,
      isoscore: 0.2,
      uniformity: -3,
      spectrum: Array.from({ length: 384 }, (_, i) => 0.1 / (i + 1)),
    })),
    hubness: {
      k: 10,
      buckets: across(settings, buckets, (s, b) => ({
        texts: 40,
        mean: 9 + b,
        skewness: 1,
        share_of_antihubs: 0.1,
      })),
    },
    query_length_slope: settings.map((_, s) => ({
      queries: 20,
      documents: count,
      slope: 0.02 - 0.01 * s,
      low: 0.01 - 0.01 * s,
      high: 0.03 - 0.01 * s,
    })),
    attention: perLayer((setting, layer, length) => ({
      setting,
      layer,
      head: null,
      length,
      texts: 4,
      logit_std: 2,
      entropy: 0.6,
      filter_rate: layer === 2 ? 0.1 : 1 + 0.1 * setting,
      bound: 0.3,
      above_bound: layer === 2 ? 0 : 1,
    })),
    tokens: perLayer((setting, layer, length) => ({
      setting,
      layer,
      length,
      hc_ratio: 0.9 - 0.05 * layer,
      token_cosine: 0.1 * layer,
    })),
    map: {
      explained: settings.map(() => [0.05, 0.04]),
      texts: Array.from({ length: count }, (_, i) => ({
        id: `id-${i}`,
        tokens: 1 + Math.floor(250 * next()),
        text: text(i),
        at: settings.map(() => [next() - 0.5, next() - 0.5]),
        neighbors: settings.map(() => neighbors(i)),
      })),
    },
  };
  change?.(report);
  return report;
}

const around = (value) => ({ value, low: 0.9 * value, high: 1.1 * value });

/** Of `count` labelled texts in `labels.length` classes, for InspectReport.classes. */
export function classReport({
  count = 60,
  settings = ["1", "0.8"],
  labels = ["a", "b", "c"],
  layers = 3,
} = {}) {
  const next = random(count + 1);
  const estimate = (setting, layer, bucket) => ({
    setting,
    layer,
    bucket,
    dim: 384,
    texts: count,
    classes: labels.length,
    texts_left_out: 0,
    reason: null,
    within: around(2),
    between: around(1),
    nc1_traces: around(2 - 0.1 * (layer ?? layers) - 0.05 * setting),
    nc1: around(3),
    nc2: around(0.5),
    spectral_resamples: 100,
    held_out_texts: count / 2,
    accuracy: { value: 0.8, low: 0.75, high: 0.85 },
    probe_accuracy: { value: 0.85, low: 0.8, high: 0.9 },
    agreement: { value: 0.9, low: 0.85, high: 0.95 },
  });
  const places = [...Array(layers).keys(), null];
  return {
    verdict: "Classes: 60 labelled texts of 3 classes. Classes are 1.40 [1.30, 1.50] times tighter.",
    findings: {},
    labelled_texts: count,
    unlabelled_texts: 7,
    unlabelled: ["texts.jsonl:3", "texts.jsonl:9"],
    sample: 2000,
    resamples: 1000,
    pooling: "mean",
    classes: labels.map((label, k) => ({ label, texts: count - k })),
    estimates: settings.flatMap((_, s) =>
      places.flatMap((layer) => [null, 0, 1, 3].map((bucket) => estimate(s, layer, bucket))),
    ),
    map: {
      axes: "class means",
      explained: settings.map(() => [0.2, 0.1]),
      texts: Array.from({ length: count }, (_, i) => ({
        id: `id-${i}`,
        label: i % labels.length,
        tokens: 1 + (i % 40),
        text: `text ${i}`,
        at: settings.map(() => [next() - 0.5, next() - 0.5]),
      })),
    },
  };
}

/** Of token vectors, for InspectReport.token_vectors. */
export function tokenReport({ settings = ["1", "0.8"], buckets = 4, cuts = 3 } = {}) {
  const table = (columns, first) =>
    settings.map((_, s) =>
      Array.from({ length: columns }, (_, c) => estimate(first + 0.05 * c - 0.02 * s, 40)),
    );
  return {
    dim: 128,
    max_sim_documents: 32,
    token_cosine: table(buckets, 0.3),
    max_sim: table(buckets, 0.5),
    spread: settings.map((_, s) =>
      Array.from({ length: buckets }, (_, b) => ({
        vectors: 800 * (b + 1),
        effective_rank: 90 - 10 * b + s,
        isoscore: 0.3 - 0.02 * b,
      })),
    ),
    cut_token_cosine: table(cuts, 0.3),
    cut_max_sim: table(cuts, 0.5),
  };
}

/** The states of `layers` layers of `heads` heads, for InspectReport.states; head 0 of the untouched model collapses. */
export function stateReport({ settings = ["none", "window:128"], layers = 3, heads = 2 } = {}) {
  const positions = Array.from({ length: 30 }, (_, i) => 64 * (i + 1));
  const grows = (setting, head) => setting === 0 && head === 0;
  const growth = (setting, head) => ({
    trained_variance: 0.5,
    largest: grows(setting, head) ? 225 : 1.25,
    last: grows(setting, head) ? 225 : 1.25,
    collapse: grows(setting, head) ? 448 : null,
  });
  const each = (make) =>
    settings.flatMap((_, s) => Array.from({ length: layers }, (_, layer) => make(s, layer)).flat());
  const curve = (setting, layer, head) => ({
    setting,
    layer,
    head,
    mean: positions.map((tokens) => 0.01 * Math.sin(tokens)),
    variance: positions.map((tokens) => (grows(setting, head) ? (tokens / 128) ** 2 / 2 : 0.5 + layer / 10)),
    rms: positions.map((tokens) => (grows(setting, head) ? tokens / 180 : 0.7)),
    retention: positions.map((tokens) => (setting > 0 && tokens > 128 ? 0 : Math.exp(-tokens / 100))),
    growth: growth(setting, head),
  });
  return {
    positions,
    texts: positions.map((_, i) => (i < 20 ? 4 : 1)),
    training_length: 128,
    training_length_source: "asked for",
    longest_text: 1950,
    findings: settings.map((_, setting) => ({
      setting,
      layer: 0,
      head: 0,
      worst: growth(setting, 0),
      maximum: growth(setting, 0),
      collapse: setting === 0 ? 448 : null,
      collapsed_heads: setting === 0 ? layers : 0,
    })),
    layers: each((setting, layer) => ({ setting, layer, worst_head: 0, growth: growth(setting, 0) })),
    heads: each((setting, layer) => Array.from({ length: heads }, (_, head) => curve(setting, layer, head))),
  };
}

export function collapseModelReport(change) {
  const collapse = (nc1) => ({ within: 2 * nc1, between: 2, nc1_traces: nc1, nc1, nc2: 0.3, nc3: 0.1 });
  const report = {
    kind: "collapse-model",
    treble_version: "0.1.0",
    data: "vectors.npy",
    items: 40,
    dim: 10,
    classes: [0, 1, 2, 3].map((k) => ({ label: `class ${k}`, items: 10 })),
    lambda_w: 0.05,
    lambda_h: 0.01,
    given: collapse(5.7),
    path: [0.1, 1, 10].map((beta) => ({
      beta,
      objective: 0.05,
      residual: 1e-13,
      alternations: 10,
      newton_steps: 3,
      collapse: collapse(5.7 - 1 / beta ** 0.3),
      perturbation:
        beta === 1
          ? { unsupported: "classes of several sizes" }
          : {
              c: 0.02,
              rho: 2,
              distance: 0.3,
              first_order_error: 0.1,
              collapse: collapse(4),
              diagonal_block: [{ value: 0.999, count: 6 }],
              off_diagonal_singular_value: 1e-3,
            },
    })),
    flow: [1, 10, 100].map((time) => ({ time, collapse: collapse(5 / time) })),
  };
  change?.(report);
  return report;
}

export function passkeyReport(change) {
  const report = {
    kind: "passkey",
    treble: "0.1.0",
    model: "mamba2",
    samples: 200,
    digits: 5,
    new_tokens: 5,
    seed: 0,
    prompt: {
      prefix: "Find it.",
      filler: " The grass is green.",
      passkey: " It is {key}.",
      question: " What is it?",
    },
    maps: ["none", "window:256", "rri:0.9999,0.75"].map((state, map) => ({
      state,
      columns: [256, 512, 1024, 2048].map((length, column) => ({
        length,
        tokens: length - 3,
        fillers: length / 20,
        right: Array.from({ length: 10 }, (_, row) => Math.max(0, 20 - 6 * column + row * map)).map((n) =>
          Math.min(20, n),
        ),
        samples: Array.from({ length: 10 }, () => 20),
      })),
    })),
  };
  change?.(report);
  return report;
}

export function perplexityReport(change) {
  const report = {
    kind: "perplexity",
    treble: "0.1.0",
    model: "mamba2",
    prompt: "sentence",
    tokens: 256,
    states: ["none", "window:64"],
    ranges: [1, 2, 4, 8, 16, 32, 64, 128].map((begin) => ({
      begin,
      end: 2 * begin,
      perplexity: [100 / begin + begin / 4, 100 / begin + 1],
    })),
  };
  change?.(report);
  return report;
}

const gainOf = (s) => ({ value: 0.01 * s, low: 0.01 * s - 0.008, high: 0.01 * s + 0.008 });

export function sweepReport(change) {
  const settings = ["1", "0.9", "centring", "0.9 + whitening", "log:128"];
  const report = {
    kind: "sweep",
    treble_version: "0.1.0",
    model: "model",
    provenance: {
      model: { weights_sha256: "53aa51172d142c89d9012cce15ae4d6c" },
      compute_dtype: "int8",
      cpu_isa: "AVX2",
      max_length: 2048,
      position_extension: "recur",
    },
    resamples: 1000,
    data: "data/",
    labelled: true,
    metric: "nDCG@10",
    side: "both",
    similarity: "dot",
    query_prompt: { name: "query", text: "query: " },
    document_prompt: { name: null, text: "" },
    ignore_identical_ids: false,
    queries_apart: 7,
    queries_without_document: 4,
    documents_read: { texts: 5183, cut: 2100, tokens: 1500000, read: 1200000, unread: 0.2 },
    queries_read: { texts: 300, cut: 0, tokens: 4000, read: 4000, unread: 0 },
    advice: [
      "20 % of the tokens of the documents were never read by the untouched model: try --post chunk-mean:256",
    ],
    commands: [
      "treble embed --model models/m corpus.jsonl -o corpus.npy",
      "treble embed --model models/m queries.jsonl -o queries.npy",
    ],
    axes: [
      { name: "temperature", settings: 2, alone: gainOf(1), added: gainOf(1) },
      { name: "post", settings: 0, alone: gainOf(0), added: gainOf(2) },
      {
        name: "max-length",
        settings: 1,
        alone: gainOf(1),
        added: { value: 0, low: 0, high: 0, no_variance: true, never_chosen: true },
      },
    ],
    notes: [
      "7 of 307 judged queries have no document of a grade above 0",
      "2 judged documents are not in the corpus",
    ],
    items: 300,
    folds: 2,
    seed: 1,
    verdict:
      "No setting was reliably better than the untouched model: +0.33 [-0.47, +1.13] points. Stay with it.",
    benefit: "none",
    held_out_gain: { value: 0.0033, low: -0.0047, high: 0.0113 },
    chosen: ["0.9", "centring"],
    settings: settings.map((temperature, s) => ({
      temperature,
      value: 0.8 + 0.01 * s,
      gain: gainOf(s),
      relative_change: 0.0125 * s,
      better: 100 + s,
      worse: 80,
      documents_unread: 0.2,
      others: { "recall@10": 0.9, "MAP@10": 0.7 },
      overlap: 1 - 0.1 * s,
      short_overlap: s === 3 ? null : 1,
    })),
    buckets: [33, 65, 129].map((min, b) => ({
      min_tokens: min,
      max_tokens: 2 * min,
      items: b === 0 ? 3 : 100,
      values: settings.map((_, s) => 0.8 + 0.01 * s - 0.02 * b),
      gains: b === 0 ? settings.map(() => null) : settings.map((_, s) => gainOf(s)),
    })),
  };
  change?.(report);
  return report;
}

/** [what was done, report]: each part of a report in turn missing, null, empty or a list of nulls. */
export function* spoiled(make) {
  for (const [key, value] of Object.entries(make())) {
    if (key === "kind") continue;
    yield [`no ${key}`, make((report) => delete report[key])];
    yield [`${key} null`, make((report) => (report[key] = null))];
    if (!Array.isArray(value)) continue;
    yield [`${key} empty`, make((report) => (report[key] = []))];
    yield [`${key} of nulls`, make((report) => (report[key] = value.map(() => null)))];
  }
}
