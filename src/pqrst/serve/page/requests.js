import { askForToken, authorization } from "./token.js";

export class RequestFailure extends Error {
  constructor(reason, { leads = null, expected = null, title = "The recording could not be read", retry = false, status = 0 } = {}) {
    super(reason);
    Object.assign(this, { leads, expected, title, retry, status });
  }
}

const UNREACHABLE =
  "No answer came back. The server may be down, the network may be cut, or the file may be larger than the server takes.";

const FALLBACK_REASONS = {
  401: "The server answers only who brings its token.",
  413: "The file is larger than the server takes.",
  415: "The server does not read files of this kind.",
  429: "Too many requests at once; wait a moment and try again.",
  503: "The server is not ready yet; wait a moment and try again.",
};

const FAILURE_TITLES = {
  401: "A token is needed",
  408: "The upload came too slowly",
  413: "The file is too large",
  415: "This kind of file is not read here",
  429: "The server is busy",
  503: "The server is not ready",
};

function parsedOrNull(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failureOf(status, text) {
  const error = parsedOrNull(text)?.error ?? {};
  const reason = error.reason ?? FALLBACK_REASONS[status] ?? `The server answered with status ${status} and no reason.`;
  const title = FAILURE_TITLES[status] ?? (status >= 500 ? "The server failed" : undefined);
  return new RequestFailure(reason, { leads: error.leads, expected: error.expected, title, status, retry: [401, 408].includes(status) || status >= 429 });
}

function unreachable() {
  return new RequestFailure(UNREACHABLE, { title: "The server cannot be reached", retry: true });
}

async function fetchOk(path, signal) {
  const headers = authorization();
  let response;
  try {
    response = await fetch(path, { signal, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (response.status === 401 && (await askForToken(headers))) return fetchOk(path, signal);
  if (!response.ok) throw failureOf(response.status, await response.text());
  return response;
}

export async function fetchModel() {
  return (await fetchOk("/model")).json();
}

export async function fetchExamples() {
  return (await (await fetchOk("/examples")).json()).examples;
}

export async function fetchExampleFile(name, signal) {
  const response = await fetchOk(`/examples/${encodeURIComponent(name)}`, signal);
  return new File([await response.blob()], `${name}.csv`, { type: "text/csv" });
}

function formOf({ files, fields }) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

export async function postRecording(recording, query, options) {
  const headers = authorization();
  try {
    return await posted(recording, query, headers, options);
  } catch (failure) {
    if (failure.status !== 401 || !(await askForToken(headers))) throw failure;
    return postRecording(recording, query, options);
  }
}

/** XMLHttpRequest and not fetch: only it tells how much of an upload has left. */
function posted(recording, query, headers, { signal, onProgress = () => {} }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", `/predict?${new URLSearchParams(query)}`);
    request.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : null);
    request.upload.onload = () => onProgress(1);
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      const answer = request.status === 200 ? parsedOrNull(request.responseText) : null;
      if (answer) resolve(answer);
      else reject(failureOf(request.status, request.responseText));
    };
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    if (signal.aborted) reject(new DOMException("cancelled", "AbortError"));
    else request.send(formOf(recording));
  });
}
