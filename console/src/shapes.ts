// The service's JSON, as its OpenAPI page says it. Times are UTC milliseconds.
import type { Text } from "./words";

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
  steps: Record<string, Text>;
}
export interface RuleText {
  name: Text;
  cause: Text;
  consequence: Text;
  first_action: Text;
  respond_ms: number;
  priority: Priority;
  class: string;
  plan: string;
  role: string;
  role_name: Text;
  latching: boolean;
  overridden: string; // why this site changed the library's rule; empty: it did not
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
  promises: Record<string, Text>;
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
  point: string; // what the value is a reading of; empty where the rule looks at none
  count: number;
  incident: string | null;
  latched: boolean;
  chattering: number; // raises so far, of an alarm that comes and goes too fast to be told each time
}
/** An alarm that disturbs nobody now (or would not), and what keeps it so. */
export interface Hidden {
  subject: string;
  owner: string;
  rule: string;
  name: Text;
  owner_name: Text;
  place: Text;
  priority: Priority;
  class: string;
  how: "shelved" | "suppressed" | "out-of-service" | "chattering";
  by: string;
  by_name: Text;
  since_ms: number;
  until_ms: number | null;
  reason: string;
  active: boolean;
  count: number;
}
export interface Step {
  id: string;
  text: Text;
  role: string;
  role_name: Text;
  due_ms: number | null;
  state: "open" | "waiting" | "locked" | "done" | "skipped" | "not-needed";
  by: string;
  signed: string[];
  at_ms: number | null;
  mandatory: boolean;
  persons: number;
  arrival: boolean;
  coming: number;
  certificates: Text[];
  note: string;
  proof: boolean;
  why: Text | null; // why it is locked
  asks: Text | null; // done by giving one of `answers`
  answers: { id: string; text: Text }[];
  answer: string;
  heard_by: string;
  report: { to: Text; text: Text; role_name: Text | null } | null;
}
export interface FalseAlarm {
  needs: number;
  kinds: ("voice" | "camera" | "on-site")[];
  said: { how: string; by: string; at_ms: number; note: string }[];
  lacking: Text | null;
}
/** What telemetry must show before closing; where it is dead, named people say it. */
export interface Check {
  text: Text;
  state: "shown" | "not-shown" | "dead";
  said: string[];
}
/** A machine that stays out of service until something is signed. */
export interface Hold {
  equipment: string;
  name: Text;
  incident: string;
  since_ms: number;
  until: Text;
  signatories: Text[];
}
export interface Page {
  key: string;
  person: string;
  name: string;
  role: string;
  channel: string;
  level: number;
  round: number;
  state: "waiting" | "requested" | "sent" | "delivered" | "opened" | "failed" | "refused" | "overtaken" | "acknowledged" | "declined";
  at_ms: number | null;
  due_ms: number;
  said: string;
  responder: boolean; // asked to come; else only told
}
export interface Responder {
  id: string;
  name: string;
  role: string;
  accepted_ms: number | null;
  arrived_ms: number | null;
  finished_ms: number | null;
  declined_ms: number | null;
  there_ms: number | null; // means to be there by then
  asks: string; // whom they ask to take over
  handed: string; // who took over from them
  devices: number; // that acted by their link
}
export interface Photo {
  photo: string; // its hash
  name: string;
  at_ms: number;
  step: string;
  erased: boolean;
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
/** A lift that is presumed occupied; `how` is empty while nobody knows. */
export interface Swept {
  lift: string;
  name: Text;
  place: Text;
  intercom: string;
  since_ms: number;
  why: "supply" | "silent";
  cleared_ms: number | null;
  how: "" | "telemetry" | "intercom" | "guard" | "trapped";
  by: string;
  note: string;
}
/** Somebody at a drill: asked to take part, and since when there. */
export interface Attendance {
  id: string;
  name: string;
  expected: boolean;
  since_ms: number | null;
  by_hand: boolean;
}
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
  consequence: Text | null; // its named cause with what it brought, counted
  sweep_left: number; // lifts that are still presumed occupied
  drill: string; // paper or simulators; empty where it is real
  attendance?: Attendance[];
  sweep?: Swept[];
  into?: string; // the incident that took this one over
  card?: Card;
  steps?: Step[];
  pages?: Page[];
  pages_held?: boolean; // it came out of a backup: nobody is paged before somebody decides
  people?: Responder[];
  photos?: Photo[];
  promises?: Promised[];
  never?: Text[];
  missing?: Text[];
  false_alarm?: FalseAlarm | null;
  closed_false?: boolean;
  life_clock?: { from_ms: number; by_ms: number; kept_ms: number | null; broken_ms: number | null; ended_ms?: number | null } | null;
  held?: Hold | null;
  close?: Check[];
  overridden?: string;
  records?: LogRecord[];
}
export interface PracticeCell {
  person: string;
  plan: string;
  state: "never" | "overdue" | "soon" | "done";
  last_ms: number | null;
  drill: boolean;
  due_ms: number | null;
}
/** Who has practised which plan, and by when again. */
export interface Practice {
  at_ms: number;
  plans: { id: string; name: Text; priority: Priority; every_ms: number }[];
  people: { id: string; name: string; roles: Text[] }[];
  cells: PracticeCell[];
  counts: Record<"never" | "overdue" | "soon" | "done", number>;
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
  person: string;
  rights: string[];
  reach: Record<string, string>;
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
  certificate: string;
  text: Text;
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
  calendar: { known_until: string | null; workday: boolean; text: Text };
  ahead: { id: string; what: string; at_ms: number; text: Text }[];
}
export interface PlannedCount {
  running: number;
  overdue: number;
  unchecked: number;
  tickets: number;
}
export interface Done {
  incident: string;
  repeated: boolean;
}
