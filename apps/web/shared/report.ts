/**
 * What src/diagnostics/report_json.cc and apps/cli/sweep_report.cc write. Everything may be missing, null or empty: a
 * setting that acts on vectors alone has no attention, a corpus of one text has no cosine.
 */

export type Maybe = number | null | undefined;

export interface Estimate {
  texts?: Maybe;
  pairs?: Maybe;
  mean?: Maybe;
  low?: Maybe;
  high?: Maybe;
}

export interface Bucket {
  min_tokens?: Maybe;
  max_tokens?: Maybe;
  texts_seen?: Maybe;
}

export interface Geometry {
  effective_rank?: Maybe;
  isoscore?: Maybe;
  uniformity?: Maybe;
  spectrum?: Maybe[] | null;
}

export interface Hubness {
  texts?: Maybe;
  mean?: Maybe;
  skewness?: Maybe;
  share_of_antihubs?: Maybe;
}

export interface Slope {
  queries?: Maybe;
  documents?: Maybe;
  slope?: Maybe;
  low?: Maybe;
  high?: Maybe;
}

export interface Attention {
  setting: number;
  layer: number;
  head: number | null;
  length: number;
  texts?: Maybe;
  logit_std?: Maybe;
  entropy?: Maybe;
  filter_rate?: Maybe;
  bound?: Maybe;
  above_bound?: Maybe;
}

export interface Tokens {
  setting: number;
  layer: number;
  length: number;
  hc_ratio?: Maybe;
  token_cosine?: Maybe;
}

/** [index of a text, cosine]: report_page() writes {"i", "cosine"} in this shorter form. */
export type Neighbor = [number, Maybe];

export interface MapText {
  id?: string | null;
  tokens?: Maybe;
  text?: string | null;
  at?: ((Maybe[] | null) | null)[] | null;
  neighbors?: (Neighbor[] | null)[] | null;
}

export interface Findings {
  compared?: boolean | null;
  short_bucket?: Maybe;
  long_bucket?: Maybe;
  visible?: boolean | null;
  ratio?: Maybe;
  explained_by_length?: Maybe;
}

/** Of labelled texts in one place of the model; layer null: the final vectors, bucket null: all lengths. */
export interface ClassEstimate {
  setting: number;
  layer: number | null;
  bucket?: Maybe;
  texts?: Maybe;
  classes?: Maybe;
  texts_left_out?: Maybe;
  reason?: string | null;
  within?: Interval | null;
  between?: Interval | null;
  nc1_traces?: Interval | null;
  nc1?: Interval | null;
  nc2?: Interval | null;
  held_out_texts?: Maybe;
  accuracy?: Interval | null;
  probe_accuracy?: Interval | null;
  agreement?: Interval | null;
}

export interface ClassMapText {
  id?: string | null;
  label?: Maybe;
  tokens?: Maybe;
  text?: string | null;
  at?: (Maybe[] | null)[] | null;
}

export interface ClassReport {
  verdict?: string | null;
  labelled_texts?: Maybe;
  unlabelled_texts?: Maybe;
  unlabelled?: (string | null)[] | null;
  resamples?: Maybe;
  pooling?: string | null;
  classes?: ({ label?: string | null; texts?: Maybe } | null)[] | null;
  estimates?: ClassEstimate[] | null;
  map?: {
    axes?: string | null;
    explained?: (Maybe[] | null)[] | null;
    texts?: (ClassMapText | null)[] | null;
  } | null;
}

/** How a variance goes on beyond the training length, as multiples of its largest within it. */
export interface StateGrowth {
  trained_variance?: Maybe;
  largest?: Maybe;
  last?: Maybe;
  /** Tokens at the first position where it is a collapse. */
  collapse?: Maybe;
}

/** A measure each position; report_page() leaves the worst heads of the layers where there are many. */
export interface StateHead {
  setting: number;
  layer: number;
  head: number;
  mean?: Maybe[] | null;
  variance?: Maybe[] | null;
  rms?: Maybe[] | null;
  retention?: Maybe[] | null;
  growth?: StateGrowth | null;
}

export interface StateLayer {
  setting: number;
  layer: number;
  worst_head?: Maybe;
  growth?: StateGrowth | null;
}

export interface StateFinding {
  setting: number;
  layer?: Maybe;
  head?: Maybe;
  worst?: StateGrowth | null;
  maximum?: StateGrowth | null;
  collapse?: Maybe;
  collapsed_heads?: Maybe;
}

export interface StateReport {
  positions?: Maybe[] | null;
  texts?: Maybe[] | null;
  training_length?: Maybe;
  training_length_source?: string | null;
  longest_text?: Maybe;
  findings?: (StateFinding | null)[] | null;
  layers?: (StateLayer | null)[] | null;
  heads?: (StateHead | null)[] | null;
}

type Table<T> = ((T | null)[] | null)[] | null;

export interface TokenSpread {
  vectors?: Maybe;
  effective_rank?: Maybe;
  isoscore?: Maybe;
}

/** Of a multi-vector output: what dense vectors have between texts is then missing. */
export interface TokenVectors {
  dim?: Maybe;
  max_sim_documents?: Maybe;
  token_cosine?: Table<Estimate>;
  max_sim?: Table<Estimate>;
  spread?: Table<TokenSpread>;
  cut_token_cosine?: Table<Estimate>;
  cut_max_sim?: Table<Estimate>;
}

/** How vectors were made. */
export interface Provenance {
  model?: { weights_sha256?: string | null } | null;
  compute_dtype?: string | null;
  cpu_isa?: string | null;
  max_length?: Maybe;
  position_extension?: string | null;
}

export interface InspectReport {
  kind: "inspect";
  treble_version?: string | null;
  model?: string | null;
  provenance?: Provenance | null;
  baked_temperature?: string | null;
  verdict?: string | null;
  findings?: Findings | null;
  settings?: (string | null)[] | null;
  texts?: Maybe;
  truncated_texts?: Maybe;
  /** Sentences without a full stop. */
  advice?: (string | null)[] | null;
  max_length?: Maybe;
  seed?: Maybe;
  sample?: Maybe;
  buckets?: Bucket[] | null;
  token_vectors?: TokenVectors | null;
  bucket_cosine?: Table<Estimate>;
  bucket_matrix?: Table<Maybe[]>;
  cut_lengths?: number[] | null;
  cut_texts?: Maybe;
  cut_cosine?: Table<Estimate>;
  geometry?: (Geometry | null)[] | null;
  hubness?: { k?: Maybe; buckets?: Table<Hubness> } | null;
  query_length_slope?: (Slope | null)[] | null;
  attention?: Attention[] | null;
  tokens?: Tokens[] | null;
  map?: { explained?: (Maybe[] | null)[] | null; texts?: MapText[] | null } | null;
  classes?: ClassReport | null;
  /** Above 0: a model with states, which has no attention. */
  num_states?: Maybe;
  states?: StateReport | null;
}

export interface Interval {
  value?: Maybe;
  low?: Maybe;
  high?: Maybe;
  /** No resample strays from the value: the interval has no width. */
  no_variance?: boolean | null;
}

/** What stands before texts. */
export interface Prompt {
  name?: string | null;
  text?: string | null;
}

export interface SweepSetting {
  temperature?: string | null;
  name?: string | null;
  value?: Maybe;
  gain?: Interval | null;
  others?: Record<string, Maybe> | null;
  overlap?: Maybe;
  short_overlap?: Maybe;
  /** As a share of the untouched model's value; null where that is near 0. */
  relative_change?: Maybe;
  /** Items. */
  better?: Maybe;
  worse?: Maybe;
  /** The share of the documents' tokens that is never read. */
  documents_unread?: Maybe;
}

/** How much of some texts the untouched model reads. */
export interface SweepReading {
  texts?: Maybe;
  cut?: Maybe;
  unread?: Maybe;
}

/** never_chosen: one setting was best on both sides in every fold. */
export interface Contrast extends Interval {
  never_chosen?: boolean | null;
}

/** One way to differ from the untouched model. */
export interface SweepAxis {
  name?: string | null;
  settings?: Maybe;
  alone?: Contrast | null;
  added?: Contrast | null;
}

export interface SweepBucket extends Bucket {
  items?: Maybe;
  /** [setting]. */
  values?: Maybe[] | null;
  /** [setting]; null where the items are too few. */
  gains?: (Interval | null)[] | null;
}

export interface SweepReport {
  kind: "sweep";
  treble_version?: string | null;
  model?: string | null;
  /** Of the untouched model. */
  provenance?: Provenance | null;
  data?: string | null;
  labelled?: boolean | null;
  metric?: string | null;
  side?: string | null;
  similarity?: string | null;
  query_prompt?: Prompt | null;
  document_prompt?: Prompt | null;
  ignore_identical_ids?: boolean | null;
  queries_apart?: Maybe;
  queries_without_document?: Maybe;
  documents_read?: SweepReading | null;
  /** Null for pairs. */
  queries_read?: SweepReading | null;
  /** On what is never read. */
  advice?: (string | null)[] | null;
  /** What to run at a terminal. */
  commands?: (string | null)[] | null;
  axes?: (SweepAxis | null)[] | null;
  /** On the data, for whoever relies on it. */
  notes?: (string | null)[] | null;
  items?: Maybe;
  folds?: Maybe;
  deals?: Maybe;
  seed?: Maybe;
  resamples?: Maybe;
  verdict?: string | null;
  benefit?: string | null;
  held_out_gain?: Interval | null;
  chosen?: string[] | null;
  settings?: SweepSetting[] | null;
  buckets?: SweepBucket[] | null;
}

export type Report = InspectReport | SweepReport;

export function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** The numbers of `values`, of which some may be missing. */
export function numbers(values: readonly unknown[]): number[] {
  return values.filter(isNumber);
}
