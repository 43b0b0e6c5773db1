const FIRST_BUCKET = 16;
const BUCKET_GROWTH = 4;
const EMPTY_LOW = 32767;
const EMPTY_HIGH = -32768;

const COUNTS_PER_MILLIVOLT = { uV: 1000, mV: 1, V: 0.001 };

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export function decodeInt16(base64) {
  const bytes = bytesOf(base64);
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

function bottomLevel(samples, missing) {
  const count = Math.ceil(samples.length / FIRST_BUCKET);
  const low = new Int16Array(count).fill(EMPTY_LOW);
  const high = new Int16Array(count).fill(EMPTY_HIGH);
  for (let bucket = 0; bucket < count; bucket += 1) {
    const end = Math.min(samples.length, (bucket + 1) * FIRST_BUCKET);
    for (let i = bucket * FIRST_BUCKET; i < end; i += 1) {
      const value = samples[i];
      if (value === missing) continue;
      if (value < low[bucket]) low[bucket] = value;
      if (value > high[bucket]) high[bucket] = value;
    }
  }
  return { size: FIRST_BUCKET, low, high };
}

function nextLevel(below) {
  const count = Math.ceil(below.low.length / BUCKET_GROWTH);
  const low = new Int16Array(count).fill(EMPTY_LOW);
  const high = new Int16Array(count).fill(EMPTY_HIGH);
  for (let i = 0; i < below.low.length; i += 1) {
    const bucket = Math.floor(i / BUCKET_GROWTH);
    if (below.low[i] < low[bucket]) low[bucket] = below.low[i];
    if (below.high[i] > high[bucket]) high[bucket] = below.high[i];
  }
  return { size: below.size * BUCKET_GROWTH, low, high };
}

function buildPyramid(samples, missing) {
  const levels = [bottomLevel(samples, missing)];
  while (levels.at(-1).low.length > 256) levels.push(nextLevel(levels.at(-1)));
  return levels;
}

function medianOf(samples, missing) {
  const stride = Math.max(1, Math.floor(samples.length / 5000));
  const kept = [];
  for (let i = 0; i < samples.length; i += stride) if (samples[i] !== missing) kept.push(samples[i]);
  kept.sort((a, b) => a - b);
  return kept.length ? kept[kept.length >> 1] : 0;
}

function readLead(name, base64, missing) {
  const samples = decodeInt16(base64);
  return { name, samples, levels: buildPyramid(samples, missing), middle: medianOf(samples, missing) };
}

function readTrack(raw, units, missing) {
  const leads = raw.leads.map((name, i) => readLead(name, raw.samples[i], missing));
  const longest = Math.max(0, ...leads.map((lead) => lead.samples.length));
  return {
    fs: raw.fs,
    leads,
    missing,
    seconds: longest / raw.fs,
    countsPerMillivolt: COUNTS_PER_MILLIVOLT[raw.units ?? units] ?? COUNTS_PER_MILLIVOLT.uV,
  };
}

export function readSignal(signal) {
  if (!signal) return null;
  const missing = signal.missing ?? EMPTY_HIGH;
  const processed = signal.processed;
  return {
    measured: readTrack(signal, signal.units, missing),
    processed: processed?.leads?.length ? readTrack(processed, signal.units, missing) : null,
  };
}

/** The coarsest level whose buckets are no wider than a column, so that a column costs a few buckets. */
function levelFor(lead, samplesPerColumn) {
  let chosen = null;
  for (const level of lead.levels) if (level.size <= samplesPerColumn) chosen = level;
  return chosen;
}

/**
 * Fills low[c] and high[c] with the least and greatest value of each column; low > high marks an empty one.
 * Columns lie on whole multiples of samplesPerColumn, so that the picture does not flicker while it is panned.
 */
export function fillColumns(lead, missing, firstColumn, samplesPerColumn, count, low, high) {
  const level = levelFor(lead, samplesPerColumn);
  const size = level ? level.size : 1;
  const lows = level ? level.low : lead.samples;
  const highs = level ? level.high : lead.samples;
  for (let column = 0; column < count; column += 1) {
    const from = Math.max(0, Math.floor(((firstColumn + column) * samplesPerColumn) / size));
    const to = Math.min(lows.length, Math.max(from + 1, Math.floor(((firstColumn + column + 1) * samplesPerColumn) / size)));
    let least = EMPTY_LOW;
    let greatest = EMPTY_HIGH;
    for (let i = from; i < to; i += 1) {
      if (!level && lows[i] === missing) continue;
      if (lows[i] < least) least = lows[i];
      if (highs[i] > greatest) greatest = highs[i];
    }
    low[column] = least;
    high[column] = greatest;
  }
}

function hasBefore(low, high, column) {
  return column > 0 && low[column - 1] <= high[column - 1];
}

/** A steep stroke leaves a gap between two columns unless each reaches to the one before. */
export function leastOf(low, high, column) {
  return hasBefore(low, high, column) ? Math.min(low[column], high[column - 1]) : low[column];
}

export function greatestOf(low, high, column) {
  return hasBefore(low, high, column) ? Math.max(high[column], low[column - 1]) : high[column];
}
