/** What the hub refused, or `network` (status 0) when no answer came. */
export class HubError extends Error {
  /** @param {number} status @param {any} problem @param {string} requestId @param {number} [retryAfter] seconds */
  constructor(status, problem, requestId, retryAfter = 0) {
    super(problem?.detail || problem?.title || `HTTP ${status}`);
    this.name = "HubError";
    this.status = status;
    this.code = problem?.code ?? (status ? "internal" : "network");
    this.title = problem?.title ?? "";
    this.detail = problem?.detail ?? "";
    /** @type {{field: string, code: string, detail: string}[]} */
    this.fieldErrors = problem?.errors ?? [];
    this.requestId = problem?.request_id ?? requestId;
    this.retryAfter = retryAfter;
    this.problem = problem ?? {};
  }

  /** Safe to repeat with the same key or token: nobody knows whether the first try arrived. */
  get mayRepeat() {
    return this.status === 0 || this.status === 503 || this.status === 504 || this.code === "idempotency_key_in_flight";
  }
}

/** The JSON of an answer; whatever is not a success is thrown. @param {Response} response @param {string} requestId */
export async function read(response, requestId) {
  const text = await response.text().catch(() => "");
  const json = /json/.test(response.headers.get("Content-Type") ?? "");
  const answer = json && text ? JSON.parse(text) : null;
  if (response.ok) return answer;
  throw new HubError(response.status, answer, requestId, Number(response.headers.get("Retry-After")) || 0);
}
