/** Numbers and names as people read them. */
import { isNumber, type Bucket, type Maybe } from "./report";

const NONE = "–";
const MINUS = "−";
const WHOLE = new Intl.NumberFormat("en");

export function decimal(value: Maybe, digits = 3): string {
  if (!isNumber(value)) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

export function signed(value: Maybe, digits = 3): string {
  if (!isNumber(value)) return NONE;
  const text = decimal(value, digits);
  return text.startsWith(MINUS) || Number(text) === 0 ? text : `+${text}`;
}

export function whole(value: Maybe): string {
  return isNumber(value) ? WHOLE.format(value) : NONE;
}

/** Three digits of any size: 0.00123, 4.56, 1.2e+7. */
export function compact(value: Maybe): string {
  if (!isNumber(value)) return NONE;
  const text =
    Math.abs(value) >= 1e5
      ? Math.abs(value).toExponential(1)
      : String(Number(Math.abs(value).toPrecision(3)));
  return value < 0 ? MINUS + text : text;
}

export function percent(value: Maybe, digits = 0): string {
  return isNumber(value) ? `${(100 * value).toFixed(digits)}\u00a0%` : NONE;
}

/** "0.163 [0.156, 0.171]". */
export function withInterval(mean: Maybe, low: Maybe, high: Maybe, form: (value: Maybe) => string): string {
  if (!isNumber(mean)) return NONE;
  return isNumber(low) && isNumber(high) ? `${form(mean)} [${form(low)}, ${form(high)}]` : form(mean);
}

export function plural(count: Maybe, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

export function bucketName(bucket: Bucket | undefined): string {
  if (!bucket) return NONE;
  return bucket.min_tokens === bucket.max_tokens
    ? whole(bucket.max_tokens)
    : `${whole(bucket.min_tokens)}–${whole(bucket.max_tokens)}`;
}

const SCHEDULE = /^(log|ssmax|yarn):[-+0-9.,eE]+$/;

function isTemperature(name: string): boolean {
  return SCHEDULE.test(name) || (name.trim() !== "" && Number.isFinite(Number(name)));
}

/** Settings are names; only those that are temperatures are written as such. */
export function settingName(name: string): string {
  return isTemperature(name) ? `τ\u00a0=\u00a0${name}` : name;
}

/** "a", "a and b", "a, b and c". */
export function listed(items: string[]): string {
  return items.length < 2
    ? items.join("")
    : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}

export function shortened(text: string, maxLength: number): string {
  const characters = [...text];
  return characters.length <= maxLength ? text : `${characters.slice(0, maxLength - 1).join("")}…`;
}
