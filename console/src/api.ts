// The one way to ask the service for something.
import { reactive } from "vue";
import type { Done } from "./shapes";
import { t, type Text } from "./words";

export type * from "./shapes";

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: Text | string,
  ) {
    super(typeof detail === "string" ? detail : detail.en);
  }
}

/** What to tell the user: the newest sentence, shown for a few seconds at the foot of the screen. */
export const said = reactive<{ text: Text | string; bad: boolean; n: number }>({ text: "", bad: false, n: 0 });

export function say(text: Text | string, bad = false): void {
  Object.assign(said, { text, bad, n: said.n + 1 });
}

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/${path}`, {
      method,
      credentials: "same-origin",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    throw new Problem(0, t("no_service"));
  }
  const text = await answer.text();
  let json: unknown = null;
  try {
    json = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem(answer.status, t("bad_answer", { status: answer.status }));
  }
  if (!answer.ok) {
    const p = json as { detail?: Text | string; title?: string } | null;
    const detail = p?.detail;
    const readable = typeof detail === "string" || (detail && "zh" in detail) ? detail : p?.title;
    throw new Problem(answer.status, readable || t("bad_answer", { status: answer.status }));
  }
  return json as T;
}

export const get = <T>(path: string): Promise<T> => ask<T>("GET", path);
export const post = <T>(path: string, body: object = {}): Promise<T> => ask<T>("POST", path, body);

/** Ask for a change. The request id makes a repeated press harmless; a refusal is shown, and null comes back. */
export async function command(path: string, body: object = {}): Promise<Done | null> {
  try {
    return await post<Done>(path, { ...body, request: requestId() });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(error.detail, true);
    return null;
  }
}

function requestId(): string {
  // randomUUID exists on https and loopback only; a monitoring room may use plain http on its own network.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
