// The service's JSON, as its OpenAPI page says it, and the one way to ask it for something. Times are UTC milliseconds.
import { reactive } from "vue";
import { t, type Text } from "./words";

export type Priority = 1 | 2 | 3 | 4;

export interface Code {
  value: number;
  id: string;
  name: Text;
}
export interface Point {
  id: string;
  name: string;
  text: Text;
  unit: string;
  type: "number" | "state" | "enum" | "counter";
  decimals: number;
  codes: Code[];
}
export interface Equipment {
  id: string;
  kind: string;
  system: "lift" | "hvac" | "power" | "fire" | "water" | "system";
  name: Text;
  place: Text;
  building: string;
  fed_by: string[];
  points: Point[];
}
export interface PlanName {
  id: string;
  name: Text;
  kinds: string[];
  priority: Priority;
}
export interface RuleText {
  name: Text;
  cause: Text;
  consequence: Text;
  first_action: Text;
  respond_ms: number;
  priority: Priority;
  class: string;
}
export interface PersonName {
  id: string;
  name: string;
  roles: string[];
}
export interface DemoUser {
  id: string;
  name: string;
  role: string;
}
export interface Site {
  id: string;
  name: Text;
  timezone: string;
  equipment: Equipment[];
  plans: PlanName[];
  rules: Record<string, RuleText>;
  people: PersonName[];
  roles: Record<string, Text>;
  parties: PersonName[];
  labels: Record<string, Record<string, Text>>;
  statement: Text;
  demo: boolean;
  demo_users: DemoUser[];
}
export interface Alarm {
  subject: string;
  owner: string;
  rule: string;
  name: Text;
  owner_name: Text;
  place: Text;
  priority: Priority;
  class: string;
  state: string;
  active: boolean;
  acknowledged: boolean;
  raised_ms: number;
  cleared_ms: number | null;
  acknowledged_by: string;
  acknowledged_ms: number | null;
  value: number | null;
  unit: string;
  count: number;
  incident: string | null;
}
export interface Step {
  id: string;
  text: Text;
  role: string;
  role_name: Text;
  due_ms: number | null;
  state: "open" | "waiting" | "done" | "skipped";
  by: string;
  at_ms: number | null;
  mandatory: boolean;
  persons: number;
  note: string;
  proof: boolean;
}
export interface Page {
  key: string;
  person: string;
  name: string;
  role: string;
  channel: string;
  level: number;
  round: number;
  state: "requested" | "sent" | "refused" | "acknowledged" | "declined";
  at_ms: number | null;
  said: string;
}
export interface Responder {
  id: string;
  name: string;
  role: string;
  accepted_ms: number | null;
  arrived_ms: number | null;
  finished_ms: number | null;
  declined_ms: number | null;
}
export interface Promised {
  id: string;
  name: Text;
  by_ms: number;
  kept_ms: number | null;
  broken_ms: number | null;
}
export type Card = Record<
  "registration" | "rescue_code" | "contractor_phone" | "deputy_phone" | "intercom" | "key_cabinet" | "isolator" | "camera",
  string
> & { contractor_name: Text; deputy_name: Text };
export interface Incident {
  id: string;
  plan: string;
  plan_name: Text;
  priority: Priority;
  stage: string;
  equipment: string;
  equipment_name: Text;
  place: Text;
  opened_ms: number;
  closed_ms: number | null;
  alarms: string[];
  card?: Card;
  steps?: Step[];
  pages?: Page[];
  people?: Responder[];
  promises?: Promised[];
  never?: Text[];
  missing?: Text[];
  records?: LogRecord[];
}
export interface LogRecord {
  seq: number;
  at_ms: number;
  kind: string;
  subject: string;
  actor: string;
  about: string[];
  data: Record<string, unknown>;
  hash: string;
}
export interface Notice {
  id: string;
  level: "info" | "warning" | "error";
  text: Text;
  since_ms: number;
}
export interface Reading {
  id: string;
  value: number | null;
  quality: Quality;
  reason: string;
  at_ms: number | null;
  changed_ms: number | null;
  last_good: number | null;
  last_good_ms: number | null;
  text: string;
}
export type Quality = "good" | "uncertain" | "bad";
export interface Me {
  id: string;
  name: string;
  role: string;
  role_name: Text;
  rights: string[];
}

export interface Bucket {
  from_ms: number;
  count: number;
  bad: number;
  low: number | null;
  mean: number | null;
  high: number | null;
}
export interface History {
  point: string;
  from_ms: number;
  to_ms: number;
  buckets: Bucket[];
}
export interface OnDuty {
  role: string;
  role_name: Text;
  minimum: number;
  now: PersonName[];
  next: PersonName[];
  changes_ms: number | null;
}
export interface Hole {
  role: string;
  from_ms: number;
  to_ms: number;
  have: number;
  need: number;
  why: string;
}
export interface Expiring {
  person: string;
  name: string;
  certificate: string;
  certificate_name: Text;
  until: string;
}
export interface Shifts {
  at_ms: number;
  duty: OnDuty[];
  holes: Hole[];
  expiring: Expiring[];
}
export interface Done {
  incident: string;
  repeated: boolean;
}

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
