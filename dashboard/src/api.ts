// The same endpoints as everybody's, with the key of this tab.

import type { Page } from "./types";

interface ParameterError {
  parameter: string;
}

/** An answer that tells of a failure (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly errors: ParameterError[] = [],
  ) {
    super(detail);
  }

  /** Whether the key opens nothing. */
  get isAboutTheKey(): boolean {
    return this.status === 401;
  }
}

/** How often a request is sent again to a server that asks for patience. */
const MOST_REPEATS = 5;

export type Parameters = Record<string, string | number | undefined>;

export class Api {
  constructor(private readonly key: string) {}

  /** One answer. */
  async get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
    const response = await this.request(path, parameters, {}, signal);
    return (await response.json()) as T;
  }

  /** All pages of a list, but no more than `most` items. */
  async list<T>(path: string, parameters: Parameters, most: number, signal?: AbortSignal): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const limit = Math.min(most - items.length, 5_000);
      const page: Page<T> = await this.get(path, { ...parameters, limit, cursor }, signal);
      items.push(...page.items);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined && items.length < most);
    return items;
  }

  /** An answer that may go on for ever. */
  async request(
    path: string,
    parameters: Parameters,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Response> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) query.set(name, String(value));
    }
    const url = query.size > 0 ? `${path}?${query}` : path;
    const ask = () =>
      fetch(url, { headers: { "x-api-key": this.key, ...headers }, cache: "no-store", signal: signal ?? null });
    let response = await ask();
    for (let again = 0; response.status === 429 && again < MOST_REPEATS; again++) {
      await pause(1_000 * (Number(response.headers.get("retry-after")) || 1), signal);
      response = await ask();
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

/** Waits, but not for what has been given up. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as { detail?: string; errors?: ParameterError[] };
    return new Problem(response.status, body.detail ?? response.statusText, body.errors);
  } catch {
    return new Problem(response.status, response.statusText || `status ${response.status}`);
  }
}

/** Why something failed, in words for a person. */
export function wordsOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  return "the server does not answer";
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
