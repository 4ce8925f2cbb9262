// Permits and switching tickets: what the service says of them, and times typed on the site's wall clock.
import { ref } from "vue";
import { get, Problem, say } from "./api";
import { clock, day } from "./clock";
import type { Hold, PersonName } from "./shapes";
import type { Text } from "./words";

export interface Check {
  works: boolean;
  by: string;
  name: string;
  at_ms: number;
  note: string;
}
export interface ExpectedAlarm {
  subject: string;
  owner_name: Text;
  name: Text;
}
export interface PlannedLift {
  id: string;
  name: Text;
  parked: boolean;
  signed: Check | null;
}
export interface Permit {
  id: string;
  work: string;
  work_name: Text;
  state: "issued" | "running" | "overdue" | "checking" | "closed";
  state_name: Text;
  task: string;
  number: string;
  holder: PersonName;
  people: PersonName[];
  equipment: { id: string; name: Text; place: Text; check: Check | null }[];
  from_ms: number;
  until_ms: number;
  started_ms: number | null;
  overdue_ms: number | null;
  ended_ms: number | null;
  why: string;
  note: string;
  extensions: string[];
  recheck_by_ms: number | null;
  expected: ExpectedAlarm[];
  lifts: PlannedLift[];
  hiding: number;
}
export interface Preview {
  expected: ExpectedAlarm[];
  lifts: PlannedLift[];
  hides: number;
}
export interface Remark {
  step: number;
  grave: boolean;
  text: Text;
}
export interface Operation {
  text: string;
  equipment: string;
  equipment_name: Text;
  point: string;
  point_name: Text;
  value: number;
  value_name: Text;
  now: number | null;
  now_name: Text;
  state: "waiting" | "next" | "ordered" | "done" | "wrong" | "seen" | "confirmed";
  state_name: Text;
  ordered_ms: number | null;
  done_ms: number | null;
  seen_ms: number | null;
  wait_until_ms: number | null;
  confirmed: string[];
  reason: string;
}
export interface Ticket {
  id: string;
  task: string;
  operator: PersonName;
  supervisor: PersonName;
  issued_ms: number;
  steps: Operation[];
  current: number;
  remarks: Remark[];
  ended_ms: number | null;
  why: string;
  note: string;
}

export const permits = ref<Permit[]>([]);
export const tickets = ref<Ticket[]>([]);
/** Machines out of service beyond their incident. */
export const held = ref<Hold[]>([]);
/** Whether the lists were read once: an empty list is then a fact. */
export const read = ref(false);

export async function loadPlanned(): Promise<void> {
  try {
    [permits.value, tickets.value, held.value] = await Promise.all([
      get<Permit[]>("permits"),
      get<Ticket[]>("tickets"),
      get<Hold[]>("held"),
    ]);
    read.value = true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(error.detail, true);
  }
}

/** A moment as a `datetime-local` field shows it, on the site's wall clock. */
export const toWall = (at_ms: number): string => `${day(at_ms)}T${clock(at_ms).slice(0, 5)}`;

/** The moment that such a field says. */
export function fromWall(text: string): number {
  const guess = Date.parse(`${text}Z`);
  const shown = Date.parse(`${day(guess)}T${clock(guess)}Z`);
  return guess - (shown - guess);
}
