// What GET /performance gives: figures, each with its limit and how it stands to it.
import type { Priority } from "./api";
import type { Text } from "./words";

export type Verdict = "green" | "amber" | "red" | "none";
export interface Figure {
  id: string;
  name: Text;
  meaning: Text;
  unit: string;
  value: number | null;
  verdict: Verdict;
  verdict_text: Text;
  count: number | null;
  at_ms: number | null;
  limit: { green: number; red: number; trust: string; trust_text: Text; source: Text };
}
export interface NamedAlarm {
  subject: string;
  owner: string;
  rule: string;
  name: Text;
  owner_name: Text;
}
export interface Bar {
  from_ms: number;
  alarms: number;
}
export interface Performance {
  day: string;
  days: number;
  console: string;
  consoles: { id: string; name: Text }[];
  from_ms: number;
  to_ms: number;
  since_ms: number;
  at_ms: number;
  alarms: number;
  figures: Figure[];
  top: (NamedAlarm & { count: number; share: number })[];
  mix: { priority: Priority; count: number; share: number | null }[];
  floods: { from_ms: number; to_ms: number; alarms: number }[];
  chattering: NamedAlarm[];
  bars: Bar[];
  promises: { name: Text; plan: Text | null; kept: number; broken: number; median_ms: number | null }[];
  now: {
    unacknowledged: number;
    shelved: number;
    suppressed: number;
    out_of_service: number;
    stale: (NamedAlarm & { since_ms: number })[];
  };
}
