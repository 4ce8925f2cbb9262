// The one socket of this screen and what it brought: alarms, incidents, notices, values.
// What the service has not confirmed for SILENT_MS is no longer live, and `line.lost` says so to the whole screen.
import { reactive, ref, shallowReactive, shallowRef } from "vue";
import { type Alarm, get, type Hidden, type Incident, type Me, type Notice, type PlannedCount, Problem, type Quality, type Reading, say, type Site } from "./api";
import { ahead, heard, useZone } from "./clock";
import { t } from "./words";

const SILENT_MS = 5_000;
const DEAD_MS = 9_000; // silent for so long: the connection is given up and made anew
const NOT_ALLOWED = 4403; // this role sees nothing live
const RETRY_MS = [1_000, 2_000, 3_000, 5_000];

export interface Value {
  value: number | null;
  quality: Quality;
  at_ms: number | null;
  good: number | null; // last good value and its time, for showing it struck through
  good_ms: number | null;
}

export const site = ref<Site | null>(null);
export const me = ref<Me | null>(null);
export const alarms = shallowReactive(new Map<string, Alarm>());
export const incidents = shallowReactive(new Map<string, Incident>());
export const values = shallowReactive(new Map<string, Value>());
export const notices = ref<Notice[]>([]);
/** Everything that shelves, permits, the design or damping keep out of sight now. */
export const hidden = shallowRef<Hidden[]>([]);
/** How much planned work there is; a new object whenever some of it changed. */
export const planned = shallowRef<PlannedCount | null>(null);
/** Counts commits of the log book that this screen heard of: who shows records reads again when it moves. */
export const commits = ref(0);
export const line = reactive({ lost: false, ever: false, last_ms: 0 }); // ever: a snapshot has come

let socket: WebSocket | null = null;
let heardAt = 0; // performance.now(): a step of this computer's clock changes nothing
let failed = 0;
let wanted = false;
const told = new Set<(alarm: Alarm) => void>();

/** Be told of every alarm that is new, came back, or became graver. */
export function onAlarm(listener: (alarm: Alarm) => void): void {
  told.add(listener);
}

export async function loadSite(): Promise<void> {
  const answer = await get<Site>("site");
  site.value = answer;
  if (answer.timezone) useZone(answer.timezone);
}

export async function loadMe(): Promise<boolean> {
  try {
    me.value = await get<Me>("me");
    return true;
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) me.value = null;
    else if (!(error instanceof Problem)) throw error;
    return false;
  }
}

/** Read one incident whole; the snapshot brings summaries only. */
export async function loadIncident(id: string): Promise<void> {
  try {
    const whole = await get<Incident>(`incidents/${encodeURIComponent(id)}`);
    if (!whole.closed_ms) incidents.set(id, whole);
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // the summary stays; the next change brings the whole
  }
}

export function open(): void {
  wanted = true;
  heardAt = performance.now();
  connect();
  setInterval(watch, 500);
}

export function leave(): void {
  wanted = false;
  socket?.close();
  location.reload();
}

function connect(): void {
  const ours = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`);
  socket = ours;
  ours.onmessage = (event) => take(JSON.parse(String(event.data)) as Message);
  ours.onclose = (event) => {
    if (socket !== ours) return;
    socket = null;
    if (!wanted) return;
    if (event.code === NOT_ALLOWED) return say(t("live_not_allowed"), true);
    line.lost = line.ever;
    const wait = RETRY_MS[Math.min(failed++, RETRY_MS.length - 1)]!;
    setTimeout(() => void again(), wait);
  };
}

async function again(): Promise<void> {
  // After an upgrade of the service the site may have changed, and the session may have ended.
  const inside = await loadMe();
  if (!inside && me.value === null) return leave();
  if (inside) await loadSite().catch(() => undefined);
  connect();
}

function watch(): void {
  const silent = performance.now() - heardAt;
  line.lost = silent > SILENT_MS || (line.ever && socket?.readyState !== WebSocket.OPEN);
  if (silent > DEAD_MS && socket) {
    const old = socket;
    heardAt = performance.now();
    old.close();
    old.onclose?.(new CloseEvent("close")); // a dead peer would not answer the closing handshake for a minute
  }
}

type Row = [id: string, value: number | null, quality: Quality | number, at_ms: number | null];
type Message =
  | { type: "snapshot"; alarms: Alarm[]; hidden?: Hidden[]; planned?: PlannedCount; incidents: Incident[]; notices: Notice[]; at_ms: number }
  | {
      type: "change";
      alarms?: Alarm[];
      gone?: string[];
      planned?: PlannedCount | null;
      hidden?: Hidden[] | null; // all of it; null when nothing of it changed
      incidents?: Incident[];
      closed?: string[];
      notices?: Notice[];
      at_ms: number;
    }
  | { type: "values"; at_ms: number; values: Row[] }
  | { type: "site"; hash: string; at_ms: number } // other files hold; a snapshot follows
  | { type: "beat"; at_ms: number };

function take(message: Message): void {
  heardAt = performance.now();
  failed = 0;
  line.ever ||= message.type === "snapshot";
  line.lost = false;
  // Snapshots and changes carry the time of the newest commit, which may be long ago; only these two carry the present.
  if (message.type === "beat" || message.type === "values") heard(message.at_ms);
  line.last_ms = Date.now() + ahead.value;
  if (message.type === "snapshot") {
    takeSnapshot(message.alarms, message.incidents, message.notices);
    hidden.value = message.hidden ?? [];
    planned.value = message.planned ?? null;
  }
  else if (message.type === "change") takeChange(message);
  else if (message.type === "values") takeValues(message.values);
  else if (message.type === "site") void loadSite().catch(() => undefined);
}

function takeSnapshot(newAlarms: Alarm[], newIncidents: Incident[], newNotices: Notice[]): void {
  const here = new Set(newAlarms.map((a) => a.subject));
  for (const subject of [...alarms.keys()]) if (!here.has(subject)) alarms.delete(subject);
  for (const alarm of newAlarms) setAlarm(alarm);
  const open = new Set(newIncidents.map((i) => i.id));
  for (const id of [...incidents.keys()]) if (!open.has(id)) incidents.delete(id);
  for (const incident of newIncidents) {
    incidents.set(incident.id, { ...incidents.get(incident.id), ...incident });
    if (!incident.steps || !incident.records) void loadIncident(incident.id);
  }
  notices.value = newNotices ?? [];
  socket?.send(JSON.stringify({ watch: (site.value?.equipment ?? []).map((e) => e.id) }));
}

function takeChange(change: Extract<Message, { type: "change" }>): void {
  commits.value++;
  for (const subject of change.gone ?? []) alarms.delete(subject);
  for (const alarm of change.alarms ?? []) setAlarm(alarm);
  for (const incident of change.incidents ?? []) incidents.set(incident.id, incident);
  for (const id of change.closed ?? []) incidents.delete(id);
  if (change.hidden) hidden.value = change.hidden;
  if (change.planned) planned.value = change.planned;
  if (change.notices) notices.value = change.notices;
}

function setAlarm(alarm: Alarm): void {
  const before = alarms.get(alarm.subject);
  alarms.set(alarm.subject, alarm);
  if (!before || before.raised_ms !== alarm.raised_ms || alarm.priority < before.priority) for (const tell of told) tell(alarm);
}

const quality = (q: Quality | number): Quality =>
  typeof q === "string" ? q : q === 0 ? "good" : q < 64 ? "uncertain" : "bad";

const asked = new Set<string>(); // machines whose last good values were asked for

function takeValues(rows: Row[]): void {
  for (const [id, value, q, at_ms] of rows) {
    const before = values.get(id);
    const grade = quality(q);
    const good = grade === "good";
    values.set(id, {
      value,
      quality: grade,
      at_ms,
      good: good ? value : (before?.good ?? null),
      good_ms: good ? at_ms : (before?.good_ms ?? null),
    });
    if (!good && before?.good_ms == null) askLastGood(id.slice(0, id.lastIndexOf("/")));
  }
}

function askLastGood(equipment: string): void {
  if (asked.has(equipment)) return;
  asked.add(equipment);
  readings(equipment).catch(() => asked.delete(equipment));
}

/** Read all points of a machine with their reasons, and keep the last good values. */
export async function readings(equipment: string): Promise<Reading[]> {
  const list = await get<Reading[]>(`points?equipment=${encodeURIComponent(equipment)}`);
  for (const r of list) {
    const v = values.get(r.id);
    if (v && v.good_ms == null && r.last_good_ms != null)
      values.set(r.id, { ...v, good: r.last_good, good_ms: r.last_good_ms });
  }
  return list;
}
