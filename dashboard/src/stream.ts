// The live stream. Not an EventSource: that could send no key, and a key has no business in a URL.

import { type Api, isAbort, pause, Problem } from "./api";

export interface Listener {
  event(name: string, data: unknown): void;
  /** Connected, or not. */
  connected(isConnected: boolean): void;
  /** Events have been missed: what is shown must be asked for anew. */
  missed(): void;
  /** The key opens nothing any more. */
  refused(error: Problem): void;
}

/** One who was away for longer does better to ask for everything anew, milliseconds. */
const LONG = 60_000;
/** The server speaks every 15 s; a connection that is silent for longer is dead, milliseconds. */
const SILENCE = 40_000;
const WAITS = [500, 1_000, 2_000, 5_000, 10_000];

/** Listens until `signal` is aborted; comes back after every trouble, exactly where it was. */
export async function listen(api: Api, farm: string, listener: Listener, signal: AbortSignal): Promise<void> {
  let lastId: string | undefined;
  let heardAt = performance.now();
  let failures = 0;
  while (!signal.aborted) {
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener("abort", stop, { once: true });
    let watchdog = setTimeout(stop, SILENCE);
    try {
      if (lastId !== undefined && performance.now() - heardAt > LONG) {
        lastId = undefined;
        listener.missed();
      }
      const headers: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId };
      const response = await api.request("/v1/events", { farm }, headers, connection.signal);
      listener.connected(true);
      failures = 0;
      for await (const block of blocks(response)) {
        heardAt = performance.now();
        clearTimeout(watchdog);
        watchdog = setTimeout(stop, SILENCE);
        const { id, event, data } = fields(block);
        if (id !== undefined) lastId = id;
        if (data !== undefined && event !== "error") listener.event(event, JSON.parse(data));
      }
    } catch (error) {
      if (error instanceof Problem && error.isAboutTheKey) {
        listener.refused(error);
        return;
      }
      // the log was made anew, or is another one
      if (error instanceof Problem && error.status === 400 && lastId !== undefined) {
        lastId = undefined;
        listener.missed();
      } else if (!(error instanceof Problem) && !isAbort(error) && !(error instanceof TypeError)) {
        console.error(error);
      }
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener("abort", stop);
      connection.abort();
    }
    listener.connected(false);
    const wait = WAITS[Math.min(failures++, WAITS.length - 1)] ?? 1_000;
    await pause(wait, signal);
  }
}

/** The text between empty lines. */
async function* blocks(response: Response): AsyncGenerator<string> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    yield* parts;
  }
}

function fields(block: string): { id?: string; event: string; data?: string } {
  const found: { id?: string; event: string; data?: string } = { event: "message" };
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) found.id = line.slice(4);
    if (line.startsWith("event: ")) found.event = line.slice(7);
    if (line.startsWith("data: ")) found.data = line.slice(6);
  }
  return found;
}
