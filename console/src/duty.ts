// The roster as the service works it out: who is on duty day by day, what was changed, what is to be put right.
import { ref } from "vue";
import { get, type PersonName, Problem, say, type Shifts } from "./api";
import type { Text } from "./words";

export interface Shift {
  from_ms: number;
  to_ms: number;
  people: PersonName[];
  missing: boolean;
}
export interface Row {
  role: string;
  role_name: Text;
  spans: Shift[];
}
export interface Day {
  day: string;
  from_ms: number;
  workday: boolean;
  known: boolean;
}
export interface Grid {
  days: Day[];
  rows: Row[];
}
export interface Change {
  id: string;
  what: string;
  what_name: Text;
  state: string;
  state_name: Text;
  role_name: Text;
  person: string;
  name: string;
  other: string;
  other_name: string;
  from_ms: number;
  to_ms: number;
  other_from_ms: number;
  other_to_ms: number;
  reason: string;
  by: string;
  opens: Text[];
}
export interface Link {
  whose: string;
  name: Text;
  path: string;
}

export const shifts = ref<Shifts | null>(null);
export const grid = ref<Grid | null>(null);
export const changes = ref<Change[]>([]);
export const links = ref<Link[]>([]);
const WEEKS = 28;

/** Read everything about duty anew. */
export async function loadDuty(): Promise<void> {
  try {
    [shifts.value, grid.value, changes.value, links.value] = await Promise.all([
      get<Shifts>("shifts"),
      get<Grid>(`shifts/grid?days=${WEEKS}`),
      get<Change[]>("shifts/changes"),
      get<Link[]>("shifts/calendar"),
    ]);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(error.detail, true);
  }
}

/** The shifts that a day shows: those that begin in it, or, when none does, the one that runs through. */
export function shiftsOf(row: Row, days: Day[], index: number): Shift[] {
  const from = days[index]?.from_ms ?? 0;
  const to = days[index + 1]?.from_ms ?? from + 86_400_000;
  const begun = row.spans.filter((s) => s.from_ms >= from && s.from_ms < to);
  const running = row.spans.filter((s) => s.from_ms < from && s.to_ms > from);
  return index === 0 || !begun.length ? [...running, ...begun] : begun;
}
